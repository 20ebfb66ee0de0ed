"""Arrivals and departures, one after the other: each arrival gets its place at once, or is refused."""

from __future__ import annotations

import math

import numpy as np

from drivetrain.compute.compiled import compiled
from drivetrain.compute.policy.packing.kernels.costs import INFEASIBLE, RANDOM, Knowledge, loss, placement_cost
from drivetrain.compute.policy.packing.kernels.state import Array, Free, Shapes, fits, take

NOWHERE = -1


@compiled
def run(
    rule: int, known: Knowledge, shapes: Shapes, free: Free, arrivals: Array, departures: Array, draws: Array
) -> tuple[Array, Array]:
    """Place each arrival where the rule's cost is lowest, or nowhere only where no node can take it.

    A cost is kept for each shape and node until the node changes.

    Args:
      free: changed in place: what is left at the end.
      arrivals: the shape that arrives at each event, or -1; int64 [E].
      departures: the event whose arrival departs at each event, or -1; one that was refused departs without effect.
      draws: uniform in [0, 1), for the rule RANDOM alone; float64 [E, 2].
    Returns: the node of each arrival or NOWHERE, int64 [E]; its devices as bits, int64 [E].
    """
    num_nodes, num_shapes = len(free.cpu), len(shapes.cpu)
    nodes, masks = np.full(len(arrivals), NOWHERE, np.int64), np.zeros(len(arrivals), np.int64)
    costs, places = np.zeros((num_shapes, num_nodes)), np.zeros((num_shapes, num_nodes), np.int64)
    seen = np.zeros((num_shapes, num_nodes), np.int64)
    changes, losses = np.ones(num_nodes, np.int64), np.zeros(num_nodes)
    if rule != RANDOM:
        for node in range(num_nodes):
            losses[node] = loss(rule, known, free, node)
    for event in range(len(arrivals)):
        shape, leaver = arrivals[event], departures[event]
        if leaver >= 0 and nodes[leaver] != NOWHERE:
            changed, sign, mask, shape_taken = nodes[leaver], -1, masks[leaver], arrivals[leaver]
        elif shape < 0:
            continue
        elif rule == RANDOM:
            changed, mask = _drawn(shapes, free, shape, draws[event])
            sign, shape_taken = 1, shape
        else:
            changed = NOWHERE
            best = INFEASIBLE
            for node in range(num_nodes):
                if seen[shape, node] != changes[node]:
                    seen[shape, node] = changes[node]
                    costs[shape, node], places[shape, node] = placement_cost(
                        rule, known, shapes, free, shape, node, losses[node]
                    )
                if costs[shape, node] < best:
                    best, changed = costs[shape, node], node
            mask = places[shape, changed] if changed != NOWHERE else 0
            sign, shape_taken = 1, shape
        if changed == NOWHERE:
            continue
        take(shapes, free, shape_taken, changed, mask, sign)
        changes[changed] += 1
        if rule != RANDOM:
            losses[changed] = loss(rule, known, free, changed)
        if sign == 1:
            nodes[event], masks[event] = changed, mask
    return nodes, masks


@compiled
def _drawn(shapes: Shapes, free: Free, shape: int, draw: Array) -> tuple[int, int]:
    """A node of those that fit, and for a share a device of those that do; else the first ones."""
    num_fit = 0
    for node in range(len(free.cpu)):
        num_fit += fits(shapes, free, shape, node)
    chosen = math.floor(draw[0] * num_fit)
    for node in range(len(free.cpu)):
        if fits(shapes, free, shape, node):
            if chosen == 0:
                return node, _drawn_devices(shapes, free, shape, node, draw[1])
            chosen -= 1
    return NOWHERE, 0


@compiled
def _drawn_devices(shapes: Shapes, free: Free, shape: int, node: int, draw: float) -> int:
    """Bits of one device of those with enough; of the first ones where several are asked for."""
    wanted, milli = shapes.num_gpus[shape], shapes.milli[shape]
    num_fit = 0
    for device in range(free.gpu.shape[1]):
        num_fit += free.gpu[node, device] >= milli
    skipped = math.floor(draw * num_fit) if wanted == 1 and milli < 1000 else 0
    mask = 0
    for device in range(free.gpu.shape[1]):
        if wanted > 0 and free.gpu[node, device] >= milli:
            if skipped == 0:
                mask |= 1 << device
                wanted -= 1
            else:
                skipped -= 1
    return mask
