"""What free parts of nodes are worth, from what is asked for (pure).

A device is cut into slots. To serve a demand with the fewest devices is the cutting-stock problem; the dual prices of
its linear program say what share of a device a slot of each size is worth, and a slice is worth what the best slots in
it are. What is asked for as a whole is worth one.

The program often has many dual solutions, and which of them a solver finds means nothing. A count in a sample is known
to about its square root, so the program is solved with each count that much higher and lower in turn, and the prices
are the mean of what it finds: between the corners of the dual solutions, as a trader would want them.

Source: Gilmore and Gomory, "A Linear Programming Approach to the Cutting-Stock Problem", 1961.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drivetrain.compute.policy.packing.words import WHOLE, Shape

if TYPE_CHECKING:
    from drivetrain.compute.policy.packing.kernels.worth import Prices

MOST_SIZES = 40
"""Sizes of slots that have a price of their own; rarer ones count as the next larger of these."""

_TIE = 1e-3
"""What a whole device is worth over 1, and a slice by its square: of equal slices the smallest is taken."""

_IDLE = 0.1
"""What a device without its cores is worth less. Less than any slot, and from 0.02 to 0.5 it makes no difference."""

_TOLERANCE = 1e-9


def prices_of(seen: Sequence[Shape]) -> Prices:
    """Prices from a sample of what is asked for."""
    import numpy as np

    from drivetrain.compute.policy.packing.kernels.worth import DEVICE, Prices

    with_gpus = [shape for shape in seen if shape.num_gpus]
    num_gpus = sum(shape.total_milli for shape in with_gpus) / WHOLE or 1.0
    shares = Counter(shape.gpu_milli for shape in with_gpus if shape.gpu_milli < WHOLE)
    length = np.arange(WHOLE + 1) / WHOLE
    return Prices(
        slice=np.round(DEVICE * (slice_worth(shares) + _TIE * length**2)).astype(np.int64),
        cpu_per_gpu=max(sum(shape.cpu_milli for shape in with_gpus) / num_gpus, 1.0),
        memory_per_gpu=max(sum(shape.memory_mib for shape in with_gpus) / num_gpus, 1.0),
        idle=round(_IDLE * DEVICE),
    )


def slice_worth(demand: Mapping[int, int]) -> Any:
    """The worth of a free slice in devices, by its milli; float64 [WHOLE + 1], from 0 for nothing to 1 for all.

    Args:
      demand: how often a slot of each size in milli was asked for.
    """
    import numpy as np

    counts = _fewer(demand)
    sizes, amounts = list(counts), [float(count) for count in counts.values()]
    patterns = [[WHOLE // size if at == row else 0 for at in range(len(sizes))] for row, size in enumerate(sizes)]
    found = [
        _slot_prices(sizes, [*amounts[:at], amount + sign * math.sqrt(amount), *amounts[at + 1 :]], patterns)
        for at, amount in enumerate(amounts)
        for sign in (1, -1)
    ]
    worth = _best_fill(sizes, np.mean(found, axis=0))[0] if found else np.zeros(WHOLE + 1)
    worth[WHOLE] = 1.0
    return np.minimum(worth, 1.0)


def _fewer(demand: Mapping[int, int]) -> Mapping[int, int]:
    """The most frequent sizes, to which the others are rounded up; those above all of them count as whole."""
    kept = sorted(size for size, _ in Counter(demand).most_common(MOST_SIZES) if 0 < size < WHOLE)
    counts: Counter[int] = Counter()
    for size, count in demand.items():
        larger = [other for other in kept if other >= size]
        if larger:
            counts[larger[0]] += count
    return dict(sorted(counts.items()))


def _slot_prices(sizes: list[int], amounts: list[float], patterns: list[list[int]]) -> Any:
    """Dual prices of slots. Patterns that are found wanting are added to those that there are."""
    import numpy as np
    from scipy.optimize import linprog

    while True:
        used = np.array(patterns, float).T
        found = linprog(np.ones(len(patterns)), A_ub=-used, b_ub=-np.array(amounts), method="highs")
        prices = np.maximum(0.0, -found.ineqlin.marginals)
        worth, last = _best_fill(sizes, prices)
        pattern = _pattern(sizes, last)
        if worth[WHOLE] <= 1 + _TOLERANCE or pattern in patterns:
            return prices
        patterns.append(pattern)


def _best_fill(sizes: list[int], prices: Any) -> tuple[Any, Any]:
    """The most that slots in a slice of each length are worth, and the slot that was put in last, or -1."""
    import numpy as np

    from drivetrain.compute.policy.packing.kernels.fill import best_fill

    return best_fill(np.array(sizes, np.int64), np.asarray(prices, np.float64), WHOLE)


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
