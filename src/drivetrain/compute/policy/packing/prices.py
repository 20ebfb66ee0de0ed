"""What free parts of nodes are worth, from what is asked for (pure).

A device is cut into slots. To serve a demand with the fewest devices is the cutting-stock problem; the dual prices of
its linear program say what share of a device a slot of each size is worth, and a slice is worth what the best slots in
it are. What is asked for as a whole is worth one.

Cores have a worth only where they run out before devices do: what shapes without devices can fill of a node's free
cores, so that what is left over of them is of use too. Where several devices of one node are asked for, it only decides
between places that are otherwise alike, since more breaks up whole nodes; elsewhere it grows with how many are short.

The program often has many dual solutions, and which of them a solver finds means nothing. A count in a sample is known
to about its square root, so the program is solved with each count that much higher and lower in turn, and the prices
are the mean of what it finds: between the corners of the dual solutions, as a trader would want them.

Source: Gilmore and Gomory, "A Linear Programming Approach to the Cutting-Stock Problem", 1961.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median_high
from typing import TYPE_CHECKING, Any

from drivetrain.compute.policy.packing.words import WHOLE, Machine, Shape

if TYPE_CHECKING:
    from drivetrain.compute.policy.packing.kernels.worth import Gangs, Prices

MOST_SIZES = 40
"""Sizes of slots that have a price of their own; rarer ones count as the next larger of these."""

_TIE = 1e-3
"""What a whole device is worth over 1, and a slice by its square: of equal slices the smallest is taken."""

_IDLE = 0.1
"""What a device without its cores is worth less. Less than any slot, and from 0.02 to 0.5 it makes no difference."""

_CORE = 1e-5
"""What a core is worth in devices where cores are scarce, at least: less than any difference between slices."""

_SCARCE = 0.95
"""Cores are scarce if what asks for all devices asks for this part of them. Not 1: of the last few percent, pieces are
left over on each node that nothing fits in."""

_SMALL = 0.5
"""What a core is worth less to shapes that need no more than a device does: what lies beside devices often does."""

_MOST_CORES = 1024
"""Of a node; more are worth no more."""

_TOLERANCE = 1e-9


def prices_of(seen: Sequence[Shape], machines: Sequence[Machine] = ()) -> Prices:
    """Prices from a sample of what is asked for, and for cores from what there is."""
    import numpy as np

    from drivetrain.compute.policy.packing.kernels.worth import DEVICE, Prices

    with_gpus = [shape for shape in seen if shape.num_gpus]
    num_gpus = sum(shape.total_milli for shape in with_gpus) / WHOLE or 1.0
    shares = Counter(shape.gpu_milli for shape in with_gpus if shape.gpu_milli < WHOLE)
    length = np.arange(WHOLE + 1) / WHOLE
    cpu_per_gpu = max(sum(shape.cpu_milli for shape in with_gpus) / num_gpus, 1.0)
    return Prices(
        slice=np.round(DEVICE * (slice_worth(shares) + _TIE * length**2)).astype(np.int64),
        cpu_per_gpu=cpu_per_gpu,
        memory_per_gpu=max(sum(shape.memory_mib for shape in with_gpus) / num_gpus, 1.0),
        idle=round(_IDLE * DEVICE),
        cores=_cores_worth(seen, machines, cpu_per_gpu),
        gangs=_gangs(with_gpus),
    )


def _gangs(seen: Sequence[Shape]) -> Gangs:
    """What shapes with several devices ask for, of those with some."""
    from drivetrain.compute.policy.packing.kernels.worth import Gangs

    gangs = [shape for shape in seen if shape.num_gpus > 1]
    if not gangs:
        return Gangs(0, 1, 1, 0.0)
    most = max(shape.num_gpus for shape in gangs)
    largest = [shape for shape in gangs if shape.num_gpus == most]
    return Gangs(
        num_gpus=most,
        cpu=max(median_high(shape.cpu_milli for shape in largest), 1),
        memory=max(median_high(shape.memory_mib for shape in largest), 1),
        part=sum(shape.total_milli for shape in gangs) / sum(shape.total_milli for shape in seen),
    )


def _cores_worth(seen: Sequence[Shape], machines: Sequence[Machine], cpu_per_gpu: float) -> Any:
    """Of a node's free cores to shapes without devices, in millionths of a device; int64, by `CORES_STEP`."""
    import numpy as np

    from drivetrain.compute.policy.packing.kernels.fill import best_fill
    from drivetrain.compute.policy.packing.kernels.worth import CORES_STEP, DEVICE

    most = max((machine.cpu_milli for machine in machines), default=0)
    longest = min(most, 1000 * _MOST_CORES) // CORES_STEP
    steps = sorted({-(-shape.cpu_milli // CORES_STEP) for shape in seen if not shape.num_gpus and shape.cpu_milli})
    price = _core_price(seen, machines)
    if not steps or not price:
        return np.zeros(longest + 1, np.int64)
    worth = [step * (1 if step * CORES_STEP > cpu_per_gpu else _SMALL) for step in steps]
    filled, _ = best_fill(np.array(steps, np.int64), np.array(worth, np.float64), longest)
    return np.round(filled * CORES_STEP / 1000 * price * DEVICE).astype(np.int64)


def _core_price(seen: Sequence[Shape], machines: Sequence[Machine]) -> float:
    """What a core is worth in devices; 0 where there are enough.

    At most as much as there are devices to a core. Of that, the square of the share of cores asked for that are not
    there, with all devices in use: where little is short, slices still come first.
    """
    num_gpus, cores = sum(machine.num_gpus for machine in machines), sum(machine.cpu_milli for machine in machines)
    asked = sum(shape.cpu_milli for shape in seen) * num_gpus * WHOLE
    there = cores * sum(shape.total_milli for shape in seen)
    if not cores or asked <= _SCARCE * there:
        return 0.0
    if any(shape.num_gpus > 1 for shape in seen):
        return _CORE
    return max(_CORE, max(0.0, 1 - there / asked) ** 2 * num_gpus / cores * 1000)


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
