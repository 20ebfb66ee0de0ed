"""What it costs to place a shape on a node, by each peer; the lowest cost is taken, the first node of several."""

from __future__ import annotations

import math
from typing import NamedTuple

from drivetrain.compute.compiled import compiled
from drivetrain.compute.policy.packing.kernels.fragments import fragment
from drivetrain.compute.policy.packing.kernels.state import WHOLE, Array, Free, Shapes, first_devices, fits, take
from drivetrain.compute.policy.packing.kernels.worth import Prices

RANDOM, BEST_FIT, FGD, PRICED = range(4)
INFEASIBLE = math.inf
_LARGEST_CPU, _LARGEST_GPU = 128_000, 8_000


class Knowledge(NamedTuple):
    """What a rule knows of what will be asked for.

    Attributes:
      typical, frequency: the typical shapes, [K], and how often each comes; float64, 1 in all.
      prices: what free parts of nodes are worth.
    """

    typical: Shapes
    frequency: Array
    prices: Prices


@compiled
def standing(rule: int, known: Knowledge, free: Free, node: int) -> float:
    """What placements on a node as it is are compared with: its fragment (FGD)."""
    return fragment(known.typical, known.frequency, free, node) if rule == FGD else 0.0


@compiled
def placement_cost(
    rule: int, known: Knowledge, shapes: Shapes, free: Free, shape: int, node: int, now: float
) -> tuple[float, int]:
    """The lowest cost that a shape has on a node, and the devices of it as bits.

    Args:
      now: the node's `standing`.
    """
    if not fits(shapes, free, shape, node):
        return INFEASIBLE, 0
    if rule == BEST_FIT:
        return _best_fit(shapes, free, shape, node)
    if shapes.num_gpus[shape] != 1 or shapes.milli[shape] >= WHOLE:
        mask = first_devices(shapes, free, shape, node)
        return _fragment_grown(known, shapes, free, shape, node, mask, now), mask
    best, best_mask = INFEASIBLE, 0
    for device in range(free.gpu.shape[1]):
        if free.gpu[node, device] < shapes.milli[shape] or _is_repeated(free, node, device):
            continue
        cost = _fragment_grown(known, shapes, free, shape, node, 1 << device, now)
        if cost < best:
            best, best_mask = cost, 1 << device
    return best, best_mask


@compiled
def _is_repeated(free: Free, node: int, device: int) -> bool:
    """Whether an earlier device of the node has as much left, so that its cost is the same."""
    for earlier in range(device):  # noqa: SIM110 - numba knows no generators
        if free.gpu[node, earlier] == free.gpu[node, device]:
            return True
    return False


@compiled
def _fragment_grown(
    known: Knowledge, shapes: Shapes, free: Free, shape: int, node: int, mask: int, now: float
) -> float:
    """By how much a node's fragment grows, in points.

    Source of the rounding: FGD's `calculateGpuShareFragExtendScore`; a point is 40 milli or more, so ties are many.
    """
    take(shapes, free, shape, node, mask, 1)
    after = fragment(known.typical, known.frequency, free, node)
    take(shapes, free, shape, node, mask, -1)
    return float(-int(100 / (1 + math.exp((after - now) / 1000))))


@compiled
def _best_fit(shapes: Shapes, free: Free, shape: int, node: int) -> tuple[float, int]:
    """Where least is left, cores and devices alike. Source: FGD's simulator, `getBestFitScore`, in whole points."""
    cpu = free.cpu[node] - shapes.cpu[shape]
    gpu = free.gpu[node].sum() - shapes.num_gpus[shape] * shapes.milli[shape]
    points = int(100 * (1 - 0.5 * cpu / _LARGEST_CPU - 0.5 * gpu / _LARGEST_GPU))
    mask = first_devices(shapes, free, shape, node)
    if shapes.num_gpus[shape] == 1:
        least = WHOLE + 1
        for device in range(free.gpu.shape[1]):
            if shapes.milli[shape] <= free.gpu[node, device] < least:
                least, mask = free.gpu[node, device], 1 << device
    return float(-points), mask
