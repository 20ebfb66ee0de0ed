"""What it costs to place a shape on a node, by each rule; the lowest cost is taken, the first node of several."""

from __future__ import annotations

import math
from typing import NamedTuple

from drivetrain.compute.compiled import compiled
from drivetrain.compute.policy.packing.kernels.fragments import copies_fragment, fragment
from drivetrain.compute.policy.packing.kernels.state import WHOLE, Array, Free, Shapes, first_devices, fits, take

RANDOM, BEST_FIT, FGD, PRICED = range(4)
INFEASIBLE = math.inf
_LARGEST_CPU, _LARGEST_GPU = 128_000, 8_000


class Knowledge(NamedTuple):
    """What a rule knows of what will be asked for.

    Attributes:
      typical, frequency: the typical shapes, [K], and how often each comes; float64, 1 in all.
      worth: of a free slice of a device, in devices, by its milli; float64 [WHOLE + 1].
      cpu_per_gpu: milli of cores that come with a whole device, of all that is asked for.
      weights: of slices' lost worth, of fragments, of devices without cores, of the node's rank; float64 [4].
    """

    typical: Shapes
    frequency: Array
    worth: Array
    cpu_per_gpu: float
    weights: Array


@compiled
def loss(rule: int, known: Knowledge, free: Free, node: int) -> float:
    """What the state of a node leaves without use; the cost of a placement is by how much it grows."""
    if rule == FGD:
        return fragment(known.typical, known.frequency, free, node)
    slices = 0.0
    for device in range(free.gpu.shape[1]):
        left = free.gpu[node, device]
        if 0 < left < WHOLE:
            slices += left / WHOLE - known.worth[left]
    unusable = free.gpu[node].sum() / WHOLE - free.cpu[node] / known.cpu_per_gpu
    total: float = (
        known.weights[0] * slices
        + known.weights[1] * copies_fragment(known.typical, known.frequency, free, node) / WHOLE
        + known.weights[2] * max(0.0, unusable)
    )
    return total


@compiled
def placement_cost(
    rule: int, known: Knowledge, shapes: Shapes, free: Free, shape: int, node: int, before: float
) -> tuple[float, int]:
    """The lowest cost that a shape has on a node, and the devices of it as bits.

    Args:
      before: the node's `loss` as it is.
    """
    if not fits(shapes, free, shape, node):
        return INFEASIBLE, 0
    if rule == BEST_FIT:
        return _best_fit(shapes, free, shape, node)
    if shapes.num_gpus[shape] != 1 or shapes.milli[shape] >= WHOLE:
        mask = first_devices(shapes, free, shape, node)
        return _cost_of(rule, known, shapes, free, shape, node, mask, before), mask
    best, best_mask = INFEASIBLE, 0
    for device in range(free.gpu.shape[1]):
        if free.gpu[node, device] < shapes.milli[shape] or _is_repeated(free, node, device):
            continue
        cost = _cost_of(rule, known, shapes, free, shape, node, 1 << device, before)
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
def _cost_of(
    rule: int, known: Knowledge, shapes: Shapes, free: Free, shape: int, node: int, mask: int, before: float
) -> float:
    """By how much the loss of a node grows.

    Source of the rounding: FGD's `calculateGpuShareFragExtendScore`; a point is 40 milli or more, so ties are many.
    """
    take(shapes, free, shape, node, mask, 1)
    after = loss(rule, known, free, node)
    take(shapes, free, shape, node, mask, -1)
    if rule == FGD:
        return float(-int(100 / (1 + math.exp((after - before) / 1000))))
    rank = node / len(free.cpu)
    cost: float = after - before + known.weights[3] * rank
    return cost


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
