"""The penalised least-cost fit of steps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from drivetrain.bench.detect.noise import CUT, Values

_LEVELS_PER_NOISE = 4  # candidate levels lie a quarter of a standard deviation apart
_MAX_LEVELS = 512
_BLOCK = 1024


def segment(values: Values, noise: float, penalty: float, min_length: int) -> list[int]:
    """Where the levels of the cheapest step function begin, without the first.

    The cost of a value is its squared distance to its level in standard deviations, at most 9: further out it is an
    outlier, and costs the same wherever the level is. Each level after the first costs the penalty, and lasts
    `min_length` values at least. Exact for levels out of a fine grid, by dynamic programming over (value, level).

    Args:
      values: finite; at least `min_length`.
      noise: their standard deviation about their level, above 0.
      penalty: in the cost's unit.
    Source: the cost is the biweight loss of Fearnhead and Rigaill, JASA 2019; their exact recursion over functions is
      replaced by one over a grid, as in the Viterbi algorithm.
    """
    grid = _grid(values, noise, min_length)
    num = len(values)
    least = np.full(num + 1, np.inf)  # cost of the best fit of the first so many values
    least[0] = -penalty
    begins = np.zeros(num + 1, dtype=np.int64)  # where the last level of that fit begins
    cost = np.full(len(grid), np.inf)  # of the best fit whose last level this is
    since = np.zeros(len(grid), dtype=np.int64)
    for first in range(0, num, _BLOCK):
        rows, windows = _costs(values, grid, noise, min_length, first, min(first + _BLOCK, num))
        for at, (row, window) in enumerate(zip(rows, windows, strict=True), start=first + 1):
            cost = cost + row
            if at >= min_length:
                begun = window + (least[at - min_length] + penalty)
                is_new = begun < cost
                np.copyto(cost, begun, where=is_new)
                since[is_new] = at - min_length
            best = int(cost.argmin())
            least[at], begins[at] = cost[best], since[best]
    return _walk_back(begins)


def _grid(values: Values, noise: float, min_length: int) -> Values:
    """Levels to choose from: near the medians of all short stretches, and no more than 512."""
    stretches = np.lib.stride_tricks.sliding_window_view(values, min_length)
    pitch = noise / _LEVELS_PER_NOISE
    medians = np.median(stretches, axis=1)
    near = np.unique(np.round((medians - medians[0]) / pitch))
    around = np.unique(np.concatenate([near - 1, near, near + 1]))
    which = np.linspace(0, len(around) - 1, min(len(around), _MAX_LEVELS)).round().astype(np.int64)
    return np.asarray(around[which] * pitch + medians[0])


def _costs(values: Values, grid: Values, noise: float, min_length: int, first: int, end: int) -> tuple[Values, Values]:
    """Of each value at each level, and of the `min_length` values that end with it; shape (end - first, levels)."""
    begin = max(0, first - min_length + 1)
    rows = np.minimum(np.square((values[begin:end, None] - grid) / noise), CUT * CUT)
    lead = first - begin
    total = np.concatenate([np.zeros((1, len(grid))), np.cumsum(rows, axis=0)])
    ends = np.arange(lead + 1, lead + 1 + end - first)
    return rows[lead:], total[ends] - total[np.maximum(ends - min_length, 0)]


def _walk_back(begins: npt.NDArray[np.int64]) -> list[int]:
    found: list[int] = []
    at = int(begins[-1])
    while at > 0:
        found.append(at)
        at = int(begins[at])
    return found[::-1]
