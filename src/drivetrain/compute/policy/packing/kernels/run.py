"""Arrivals and departures, one after the other: each arrival gets its place at once, or is refused."""

from __future__ import annotations

import math
from typing import NamedTuple

from drivetrain.compute.compiled import compiled
from drivetrain.compute.policy.packing.kernels.costs import (
    INFEASIBLE,
    PRICED,
    RANDOM,
    Knowledge,
    placement_cost,
    standing,
)
from drivetrain.compute.policy.packing.kernels.priced import Summary, least_lost, summarise
from drivetrain.compute.policy.packing.kernels.state import WHOLE, Array, Free, Shapes, fits, take

NOWHERE = -1


class Cache(NamedTuple):
    """What a placement would cost by a peer, kept until the node changes. R rows, one a shape or shared by several.

    Attributes:
      owner: the shape that a row is of, or -1; [R].
      cost, mask: of each node; [R, N].
      seen: the change of the node at which they were found; [R, N], 0 for never.
      changes: how often each node has changed, from 1; [N].
      standing: of each node; float64 [N].
    """

    owner: Array
    cost: Array
    mask: Array
    seen: Array
    changes: Array
    standing: Array


class Placed(NamedTuple):
    """Where each arrival is: its node or NOWHERE, and its devices as bits; [E]."""

    nodes: Array
    masks: Array


@compiled
def stand(rule: int, known: Knowledge, free: Free, cache: Cache, summary: Summary) -> None:
    """Begin with the nodes as they are."""
    for node in range(len(free.cpu)):
        _changed(rule, known, free, cache, summary, node)


@compiled
def _changed(rule: int, known: Knowledge, free: Free, cache: Cache, summary: Summary, node: int) -> None:
    """Look at a node anew."""
    if rule == PRICED:
        summarise(known.prices, free, summary, node)
    else:
        cache.changes[node] += 1
        cache.standing[node] = standing(rule, known, free, node)


@compiled
def run(
    rule: int,
    known: Knowledge,
    shapes: Shapes,
    free: Free,
    cache: Cache,
    summary: Summary,
    arrivals: Array,
    departures: Array,
    draws: Array,
    placed: Placed,
    first: int,
    last: int,
) -> None:
    """Go through the events from `first` to before `last`; all but what is known and asked for is changed in place.

    An arrival goes where the rule's cost is lowest, and nowhere only where no node can take it.

    Args:
      arrivals: the shape that arrives at each event, or -1; [E].
      departures: the event whose arrival leaves at each event, or -1; what was refused leaves without effect. [E].
      draws: uniform in [0, 1), for the rule RANDOM alone; float64 [E, 2].
    """
    for event in range(first, last):
        shape, leaver = arrivals[event], departures[event]
        if leaver >= 0:
            node = placed.nodes[leaver]
            if node != NOWHERE:
                take(shapes, free, arrivals[leaver], node, placed.masks[leaver], -1)
        elif shape < 0:
            continue
        else:
            if rule == RANDOM:
                node, mask = _drawn(shapes, free, shape, draws[event])
            elif rule == PRICED:
                node, mask = least_lost(known.prices, shapes, free, summary, shape)
            else:
                node, mask = _cheapest(rule, known, shapes, free, cache, shape)
            placed.nodes[event], placed.masks[event] = node, mask
            if node != NOWHERE:
                take(shapes, free, shape, node, mask, 1)
        if node != NOWHERE:
            _changed(rule, known, free, cache, summary, node)


@compiled
def _cheapest(rule: int, known: Knowledge, shapes: Shapes, free: Free, cache: Cache, shape: int) -> tuple[int, int]:
    """The first node of those with the lowest cost, and the devices there."""
    row = shape % len(cache.owner)
    if cache.owner[row] != shape:
        cache.owner[row] = shape
        cache.seen[row, :] = 0
    best, found = INFEASIBLE, NOWHERE
    for node in range(len(free.cpu)):
        if cache.seen[row, node] != cache.changes[node]:
            cache.seen[row, node] = cache.changes[node]
            cache.cost[row, node], cache.mask[row, node] = placement_cost(
                rule, known, shapes, free, shape, node, cache.standing[node]
            )
        if cache.cost[row, node] < best:
            best, found = cache.cost[row, node], node
    return found, cache.mask[row, found] if found != NOWHERE else 0


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
    """Bits of one device of those with enough; of the first ones where whole ones or several are asked for."""
    wanted, milli = shapes.num_gpus[shape], shapes.milli[shape]
    num_fit = 0
    for device in range(free.gpu.shape[1]):
        num_fit += free.gpu[node, device] >= milli
    skipped = math.floor(draw * num_fit) if wanted == 1 and milli < WHOLE else 0
    mask = 0
    for device in range(free.gpu.shape[1]):
        if wanted > 0 and free.gpu[node, device] >= milli:
            if skipped == 0:
                mask |= 1 << device
                wanted -= 1
            else:
                skipped -= 1
    return mask
