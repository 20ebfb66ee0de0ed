"""The best slots for a slice of each length: an unbounded knapsack."""

from __future__ import annotations

import numpy as np

from drivetrain.compute.compiled import compiled
from drivetrain.compute.policy.packing.kernels.state import Array

_TOLERANCE = 1e-9


@compiled
def best_fill(sizes: Array, prices: Array, longest: int) -> tuple[Array, Array]:
    """The most that slots in a slice are worth, and the slot that was put in last, or -1.

    Args:
      sizes: of slots, ascending, [S].
      prices: of slots; float64 [S].
    Returns: for each length from 0 on: float64 and int64 [longest + 1].
    """
    worth, last = np.zeros(longest + 1), np.full(longest + 1, -1)
    for length in range(1, longest + 1):
        worth[length] = worth[length - 1]
        for at in range(len(sizes)):
            rest = length - sizes[at]
            if rest >= 0 and worth[rest] + prices[at] > worth[length] + _TOLERANCE:
                worth[length], last[length] = worth[rest] + prices[at], at
    return worth, last
