"""The places of one gang in one pool: all of its members or none, near each other where it asks for that."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from drivetrain.compute.policy.fleet import Fleet, Mask, Numbers, Whole
from drivetrain.compute.policy.values import MILLI, Request, Share


def place_gang(
    fleet: Fleet, request: Request, *, end_s: float = math.inf, num: int | None = None, without: Sequence[str] = ()
) -> tuple[Share, ...] | None:
    """Places for so many members, or None where they do not fit.

    Args:
      end_s: when the gang will have ended: what is held from a later time on is free for it.
      num: members; the fewest that the request takes by default.
      without: nodes that are none of it.
    """
    num = num or request.min_nodes
    room = fleet.feasible(request, end_s)
    for name in without:
        if name in fleet.index:
            room[fleet.index[name]] = False
    if request.topology == "node" and num > 1:
        shares = _on_one_node(fleet, request, room, end_s, num)
        if shares or request.topology_required:
            return shares
    chosen = _choose(fleet, request, room, num)
    if chosen is None:
        return None
    return tuple(share_on(fleet, int(at), request, end_s) for at in chosen)


def share_on(fleet: Fleet, at: int, request: Request, end_s: float = math.inf) -> Share:
    """What one member gets of a node that has room for it."""
    free = fleet.unheld(at, end_s)
    milli: tuple[tuple[int, int], ...] = ()
    if request.gpu_milli >= MILLI:
        count = -(-request.gpu_milli // MILLI)
        milli = tuple((device, MILLI) for device, left in enumerate(free) if left == MILLI)[:count]
    elif request.gpu_milli:
        _, device = min((left, device) for device, left in enumerate(free) if left >= request.gpu_milli)
        milli = ((device, request.gpu_milli),)
    return Share(fleet.names[at], milli, request.cpus, request.memory_bytes)


def preference(fleet: Fleet, request: Request) -> Numbers:
    """How well each node suits, less is better: best fit, which leaves whole devices and whole nodes to others."""
    if 0 < request.gpu_milli < MILLI:
        in_part = fleet.part >= request.gpu_milli
        return np.where(in_part, fleet.part, MILLI * (1 + fleet.whole)).astype(np.float64)
    return (fleet.whole * MILLI + fleet.part).astype(np.float64)


def _choose(fleet: Fleet, request: Request, room: Mask, num: int) -> Whole | None:
    candidates = np.flatnonzero(room)
    if len(candidates) < num:
        return None
    cost = preference(fleet, request)[candidates]
    groups = fleet.groups.get(request.topology)
    if groups is None or num == 1:
        return candidates[_least(cost, num)]
    return _near(candidates, cost, groups[candidates], num, required=request.topology_required)


def _least(cost: Numbers, num: int) -> Whole:
    """Where the `num` least are, the first of equal ones first."""
    if num == 1:
        return np.array([np.argmin(cost)])
    return np.argsort(cost, kind="stable")[:num]


def _near(candidates: Whole, cost: Numbers, groups: Whole, num: int, *, required: bool) -> Whole | None:
    """Nodes of the smallest group that has enough; else, where that may be, of as few groups as can be."""
    named, counts = np.unique(groups[groups >= 0], return_counts=True)
    enough = counts >= num
    if enough.any():
        group = named[enough][np.argmin(counts[enough])]
        inside = groups == group
        return np.asarray(candidates[inside][_least(cost[inside], num)])
    if required:
        return None
    size = dict(zip(named.tolist(), counts.tolist(), strict=True))
    order = sorted(range(len(candidates)), key=lambda at: (-size.get(int(groups[at]), 0), groups[at], cost[at]))
    return candidates[order[:num]]


def _on_one_node(fleet: Fleet, request: Request, room: Mask, end_s: float, num: int) -> tuple[Share, ...] | None:
    candidates = np.flatnonzero(
        room & (fleet.cpus >= num * request.cpus) & (fleet.memory >= num * request.memory_bytes)
    )
    for at in candidates[np.argsort(preference(fleet, request)[candidates], kind="stable")]:
        found = list(_members(fleet.unheld(int(at), end_s), request, num))
        if len(found) == num:
            name = fleet.names[at]
            return tuple(Share(name, milli, request.cpus, request.memory_bytes) for milli in found)
    return None


def _members(free: Sequence[int], request: Request, num: int) -> Iterator[tuple[tuple[int, int], ...]]:
    left = list(free)
    for _ in range(num):
        if request.gpu_milli >= MILLI:
            count = -(-request.gpu_milli // MILLI)
            devices = [device for device, milli in enumerate(left) if milli == MILLI][:count]
            if len(devices) < count:
                return
            taken = tuple((device, MILLI) for device in devices)
        elif request.gpu_milli:
            fits = [(milli, device) for device, milli in enumerate(left) if milli >= request.gpu_milli]
            if not fits:
                return
            taken = ((min(fits)[1], request.gpu_milli),)
        else:
            taken = ()
        for device, milli in taken:
            left[device] -= milli
        yield taken
