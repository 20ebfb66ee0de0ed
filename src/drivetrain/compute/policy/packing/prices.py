"""What a free slice of a device is worth, from the sizes that are asked for (pure).

A device is cut into slots. To serve a demand with the fewest devices is the cutting-stock problem; the dual prices of
its linear program say what share of a device a slot of each size is worth, and a slice is worth what the best slots in
it are. What is asked for as a whole is worth one.

Source: Gilmore and Gomory, "A Linear Programming Approach to the Cutting-Stock Problem", 1961.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivetrain.compute.policy.packing.words import WHOLE

_MOST_PATTERNS = 2_000
_TOLERANCE = 1e-9


def slice_worth(demand: Mapping[int, float]) -> Any:
    """The worth of a free slice in devices, by its milli; float64 [WHOLE + 1], from 0 for nothing to 1 for all.

    Args:
      demand: how often a slot of each size in milli is asked for.
    """
    import numpy as np

    sizes = sorted(size for size, amount in demand.items() if amount > 0 and 0 < size < WHOLE)
    worth = np.zeros(WHOLE + 1)
    if sizes:
        worth = _best_fill(sizes, _slot_prices(sizes, [demand[size] for size in sizes]))[0]
    worth[WHOLE] = 1.0
    return np.minimum(worth, 1.0)


def _slot_prices(sizes: list[int], amounts: list[float]) -> list[float]:
    """Dual prices of slots; patterns are made as they are needed."""
    import numpy as np
    from scipy.optimize import linprog

    patterns = [[WHOLE // size if at == row else 0 for at in range(len(sizes))] for row, size in enumerate(sizes)]
    prices: list[float] = []
    for _ in range(_MOST_PATTERNS):
        used = np.array(patterns, float).T
        found = linprog(np.ones(len(patterns)), A_ub=-used, b_ub=-np.array(amounts), method="highs")
        prices = [max(0.0, -float(price)) for price in found.ineqlin.marginals]
        worth, last = _best_fill(sizes, prices)
        if worth[WHOLE] <= 1 + _TOLERANCE:
            break
        patterns.append(_pattern(sizes, last))
    return prices


def _best_fill(sizes: list[int], prices: list[float]) -> tuple[Any, Any]:
    """The most that slots in a slice of each length are worth, and the slot that was put in last, or -1."""
    import numpy as np

    worth, last = np.zeros(WHOLE + 1), np.full(WHOLE + 1, -1)
    for length in range(1, WHOLE + 1):
        worth[length] = worth[length - 1]
        for at, size in enumerate(sizes):
            if size <= length and worth[length - size] + prices[at] > worth[length] + _TOLERANCE:
                worth[length], last[length] = worth[length - size] + prices[at], at
    return worth, last


def _pattern(sizes: list[int], last: Any) -> list[int]:
    """How many slots of each size the best fill of a whole device has."""
    counts, length = [0] * len(sizes), WHOLE
    while length > 0:
        at = int(last[length])
        if at < 0:
            length -= 1
        else:
            counts[at] += 1
            length -= sizes[at]
    return counts
