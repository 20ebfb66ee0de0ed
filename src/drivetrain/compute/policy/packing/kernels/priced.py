"""The place where the worth of free parts falls least: all nodes anew for each arrival, from a summary of each.

Nothing is kept by shape, so that thousands of different shapes take no longer than a hundred.

Room for a gang is not broken up while there is no more of it than gangs' part of what is free, as long as there is
another place: otherwise gangs are refused while others still get in.
"""

from __future__ import annotations

from typing import NamedTuple

from drivetrain.compute.compiled import compiled
from drivetrain.compute.policy.packing.kernels.state import WHOLE, Array, Free, Shapes, first_devices, fits
from drivetrain.compute.policy.packing.kernels.worth import Gangs, Prices, sides_worth

_NONE = 1 << 62
_APART = 1 << 50
"""More than any node is worth: what it costs to break up room that is kept."""


class Summary(NamedTuple):
    """What nodes have left, so that a shape's cost is found in a few steps; int64, [N] or [N, G].

    Attributes:
      slices, milli: what the slices of all devices are worth together, and how much they are.
      worth: of the node.
      num_sizes: of slices that differ; `sizes` has them by the first `device` with each, in the order of devices.
      largest: of these sizes.
      room: how much of `milli` gangs of the largest kind could have.
      total: of `milli` and of `room`, of all nodes; [2].
    """

    slices: Array
    milli: Array
    worth: Array
    num_sizes: Array
    sizes: Array
    device: Array
    largest: Array
    room: Array
    total: Array


@compiled
def summarise(prices: Prices, free: Free, summary: Summary, node: int) -> None:
    """Look at a node once it has changed."""
    slices, milli, largest, num_sizes = 0, 0, 0, 0
    for device in range(free.gpu.shape[1]):
        left = free.gpu[node, device]
        slices += prices.slice[left]
        milli += left
        largest = max(largest, left)
        is_new = left > 0
        for at in range(num_sizes):
            is_new = is_new and summary.sizes[node, at] != left
        if is_new:
            summary.sizes[node, num_sizes], summary.device[node, num_sizes] = left, device
            num_sizes += 1
    room = _room(prices.gangs, free, node, 0, 0, 0)
    summary.total[0] += milli - summary.milli[node]
    summary.total[1] += room - summary.room[node]
    summary.room[node] = room
    summary.slices[node], summary.milli[node], summary.largest[node] = slices, milli, largest
    summary.num_sizes[node] = num_sizes
    summary.worth[node] = slices + sides_worth(prices, free.cpu[node], free.memory[node], milli)


@compiled
def least_lost(prices: Prices, shapes: Shapes, free: Free, summary: Summary, shape: int) -> tuple[int, int]:
    """The first node of those that lose the least worth, and its devices as bits; -1 where the shape fits nowhere."""
    cpu, memory, milli, wanted = shapes.cpu[shape], shapes.memory[shape], shapes.milli[shape], shapes.num_gpus[shape]
    asked = milli * wanted
    most_gained = int(prices.idle * asked / WHOLE) + 1
    is_kept = wanted <= 1 and summary.total[1] <= prices.gangs.part * summary.total[0]
    best, found, best_mask = _NONE, -1, 0
    for node in range(len(free.cpu)):
        if free.cpu[node] < cpu or free.memory[node] < memory or summary.largest[node] < milli:
            continue
        lost, mask = 0, 0
        if wanted == 1:
            if not shapes.allowed[shape, free.model[node]]:
                continue
            lost, mask = _slice_lost(prices, summary, node, milli)
        elif wanted > 1:
            if not fits(shapes, free, shape, node):
                continue
            mask = first_devices(shapes, free, shape, node)
            lost = _slices_lost(prices, free, node, milli, mask)
        if lost - most_gained >= best:
            continue
        after = sides_worth(prices, free.cpu[node] - cpu, free.memory[node] - memory, summary.milli[node] - asked)
        cost = summary.worth[node] - (summary.slices[node] - lost + after)
        if is_kept and cost < best and _room(prices.gangs, free, node, cpu, memory, mask) < summary.room[node]:
            cost += _APART
        if cost < best:
            best, found, best_mask = cost, node, mask
    return found, best_mask


@compiled
def _room(gangs: Gangs, free: Free, node: int, cpu: int, memory: int, mask: int) -> int:
    """How much on whole devices gangs of the largest kind could have, once so much of a node were taken."""
    if gangs.num_gpus == 0:
        return 0
    whole = 0
    for device in range(free.gpu.shape[1]):
        whole += free.gpu[node, device] == WHOLE and not mask >> device & 1
    sides = min((free.cpu[node] - cpu) // gangs.cpu, (free.memory[node] - memory) // gangs.memory)
    room: int = min(whole // gangs.num_gpus, sides) * gangs.num_gpus * WHOLE
    return room


@compiled
def _slice_lost(prices: Prices, summary: Summary, node: int, milli: int) -> tuple[int, int]:
    """The least that a slot takes from the worth of a slice, and the slice's device as a bit; some slice has room."""
    least, mask = _NONE, 0
    for at in range(summary.num_sizes[node]):
        left = summary.sizes[node, at]
        if left >= milli and prices.slice[left] - prices.slice[left - milli] < least:
            least, mask = prices.slice[left] - prices.slice[left - milli], 1 << summary.device[node, at]
    return least, mask


@compiled
def _slices_lost(prices: Prices, free: Free, node: int, milli: int, mask: int) -> int:
    """What a slot on each of several devices takes from the worth of their slices."""
    lost = 0
    for device in range(free.gpu.shape[1]):
        if mask >> device & 1:
            lost += prices.slice[free.gpu[node, device]] - prices.slice[free.gpu[node, device] - milli]
    return lost
