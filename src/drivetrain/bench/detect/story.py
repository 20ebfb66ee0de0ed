"""A series told as steps and turns among noise of one kind, by the cheapest story that is found step by step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from drivetrain.bench.detect.noise import Values
from drivetrain.bench.detect.wander import (
    NUM_BEFORE,
    SHAPES,
    Filter,
    Kind,
    Mask,
    Noise,
    Shape,
    filter_of,
    orthonormal,
    schwarz,
)

PARAMETERS_PER_CHANGE = 3.0
"""What a change costs, as parameters of Schwarz's criterion: its size, its place, and the choice among all places.

Source: Zhang and Siegmund, "A modified Bayes information criterion", Biometrics 2007.
"""


class Turn(NamedTuple):
    """A change that a story has: the level's, or the slope's.

    Attributes:
      at: first value that is changed.
      shape: how.
    """

    at: int
    shape: Shape


class _Solved(NamedTuple):
    """What a story explains.

    Attributes:
      basis: orthonormal, spans what it can explain; shape (rows, values - 2).
      rest: innovations that it does not; shape (values - 2,).
      cost: Schwarz's criterion.
    """

    basis: Values
    rest: Values
    cost: float


class Story:
    """What can be told of a series with one kind of noise.

    Attributes:
      noise: that kind.
    """

    def __init__(self, noise: Noise, values: Values, min_length: int) -> None:
        self.noise = noise
        self._filter: Filter = filter_of(noise, len(values))
        self._innovations = self._filter(values)
        self._num_values, self._min_length = len(values), min_length
        self._costs: dict[tuple[Turn, ...], float] = {}
        self._last: tuple[tuple[Turn, ...], _Solved] | None = None

    def cost(self, turns: Sequence[Turn]) -> float:
        """Schwarz's criterion of the story with these turns."""
        key = tuple(sorted(turns))
        if key not in self._costs:
            self._costs[key] = self._solved(turns).cost
        return self._costs[key]

    def rest(self, turns: Sequence[Turn]) -> Values:
        """Innovations that the story leaves unexplained; shape (values - 2,)."""
        return self._solved(turns).rest

    def form(self, turn: Turn, others: Sequence[Turn]) -> Values:
        """What a turn leaves in the innovations that no other could; shape (values - 2,)."""
        basis = self._solved(others).basis
        left = self._filter.left_of(turn.shape, turn.at)
        return left - basis.T @ (basis @ left)

    def told(self, most: int, turns: Sequence[Turn] = ()) -> tuple[Turn, ...]:
        """The turns that pay: the best of all is added and the others moved, until none pays."""
        found = tuple(turns)
        while len(found) < most:
            gain, turn = self._next(found)
            if turn is None or gain < self._price:
                break
            found = self._moved((*found, turn))
        while found:
            shorter = min((_without(found, turn) for turn in found), key=self.cost)
            if self.cost(shorter) > self.cost(found):
                break
            found = shorter
        return found

    @property
    def _price(self) -> float:
        return PARAMETERS_PER_CHANGE * math.log(self._num_values)

    def _moved(self, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
        """Each turn in its best place, given the others."""
        if len(turns) > 1:
            for turn in turns:
                rest = _without(turns, turn)
                better = self._next(rest)[1]
                turns = (*rest, better or turn)
        return turns

    def _next(self, turns: Sequence[Turn]) -> tuple[float, Turn | None]:
        """The turn that explains most of what is left, and by how much twice the log-likelihood grows."""
        basis, rest, _ = self._solved(turns)
        left = max(float(rest @ rest), 1e-12 * len(rest))
        whole = self._filter
        free = whole.free - whole.spanned(basis[len(whole.basis) :])
        is_open = np.array([self._open(shape.kind, turns) for shape in SHAPES]) & (free > 1e-6 * whole.powers)
        explained = np.where(is_open, np.square(whole.match(rest)) / np.where(is_open, free, 1.0), 0.0)
        shape, where = np.unravel_index(np.argmax(explained), explained.shape)
        gain = -len(rest) * math.log(max(1 - explained[shape, where] / left, 1e-12))
        return gain, Turn(int(where) + NUM_BEFORE, SHAPES[shape]) if gain > 0 else None

    def _open(self, kind: Kind, turns: Sequence[Turn]) -> Mask:
        """Places, from the third value on, that are far enough from the ends and from other turns.

        Level and slope may change at once.
        """
        is_open = np.ones(self._num_values, dtype=np.bool_)
        is_open[: self._min_length] = is_open[self._num_values - self._min_length + 1 :] = False
        for turn in turns:
            was_open = is_open[turn.at] and turn.shape.kind != kind
            is_open[max(0, turn.at - self._min_length + 1) : turn.at + self._min_length] = False
            is_open[turn.at] = was_open
        return is_open[NUM_BEFORE:]

    def _solved(self, turns: Sequence[Turn]) -> _Solved:
        key = tuple(sorted(turns))
        if self._last is None or self._last[0] != key:
            self._last = key, self._solve(key)
        return self._last[1]

    def _solve(self, turns: Sequence[Turn]) -> _Solved:
        """The least squares of the story, with a slope through the whole series where that pays."""
        whole = self._filter
        basis = orthonormal([whole.left_of(turn.shape, turn.at) for turn in turns], whole.basis)
        rest = self._innovations - basis.T @ (basis @ self._innovations)
        num_parameters = whole.noise.num_parameters + whole.has_level + PARAMETERS_PER_CHANGE * len(turns)
        cost = self._criterion(rest, num_parameters)
        if whole.slope is None:
            return _Solved(basis, rest, cost)
        slope = whole.slope - basis.T @ (basis @ whole.slope)
        slope /= max(math.sqrt(float(slope @ slope)), 1e-8)
        flatter = rest - slope * (slope @ rest)
        cost_sloped = self._criterion(flatter, num_parameters + 1)
        if cost <= cost_sloped:
            return _Solved(basis, rest, cost)
        return _Solved(np.vstack([basis, slope]), flatter, cost_sloped)

    def _criterion(self, rest: Values, num_parameters: float) -> float:
        return schwarz(float(rest @ rest), len(rest), num_parameters, self._num_values)


def _without(turns: Sequence[Turn], turn: Turn) -> tuple[Turn, ...]:
    return tuple(other for other in turns if other != turn)
