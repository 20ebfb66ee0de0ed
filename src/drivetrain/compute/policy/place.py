"""The places of one gang in one pool: all of its members or none, near each other where it asks for that."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from drivetrain.compute.policy.fleet import Fleet, Mask, Whole
from drivetrain.compute.policy.tight import losses
from drivetrain.compute.policy.values import MILLI, Request, Share

MOST_TRIES = 24
_FAR = np.int32(np.iinfo(np.int32).max)


def place_gang(
    fleet: Fleet,
    request: Request,
    *,
    end_s: float = math.inf,
    num: int | None = None,
    beside: Sequence[Share] = (),
    may_await: bool = True,
) -> tuple[Share, ...] | None:
    """Places for so many members, or None where they do not fit; none that has to be awaited where others would do.

    Args:
      end_s: when the gang will have ended: what is held from a later time on is free for it.
      num: members; the fewest that the request takes by default.
      beside: what the gang has already: on other nodes, and near them where it must be.
      may_await: whether any of them may be one that has to be awaited.
    """
    num = num or request.min_nodes
    if fleet.is_awaited:
        shares = _placed(fleet, request, end_s, num, beside, at_once=True)
        if shares is not None or not may_await:
            return shares
    elif num == 1 and not beside:
        try:
            at = _tightest(fleet, request, end_s)
            return None if at is None else (share_on(fleet, at, request, end_s),)
        except LookupError:
            pass
    return _placed(fleet, request, end_s, num, beside, at_once=False)


def _placed(
    fleet: Fleet, request: Request, end_s: float, num: int, beside: Sequence[Share], *, at_once: bool
) -> tuple[Share, ...] | None:
    room = fleet.feasible(request, end_s, at_once=at_once)
    if beside:
        room &= _beside(fleet, request, beside)
    if request.topology == "node" and num > 1:
        shares = _on_one_node(fleet, request, room, end_s, num, at_once=at_once)
        if shares or request.topology_required:
            return shares
    cost = preference(fleet, request)
    if fleet.is_awaited and not at_once:  # the fewer that have to be awaited, the sooner all are there
        cost = np.where(fleet.feasible(request, end_s, at_once=True), cost, cost // 2 + _FAR // 2)
    chosen = _choose(fleet, request, room, cost, num)
    if chosen is None:
        return None
    return tuple(share_on(fleet, int(at), request, end_s, at_once=at_once) for at in chosen)


def fewest_nodes(request: Request) -> int:
    """On how many nodes a gang may be at least."""
    return 1 if request.topology == "node" else request.min_nodes


def share_on(fleet: Fleet, at: int, request: Request, end_s: float = math.inf, *, at_once: bool = False) -> Share:
    """What one member gets of a node that has room for it; `at_once`: in what need not be awaited."""
    milli = _devices(fleet.unheld(at, end_s, at_once=at_once), request.gpu_milli, fleet.worth)
    assert milli is not None
    return Share(fleet.names[at], milli, request.cpus, request.memory_bytes)


def _devices(free: Sequence[int], gpu_milli: int, worth: tuple[float, ...] = ()) -> tuple[tuple[int, int], ...] | None:
    """The first whole devices, or the one on which a share loses least; None where there is none."""
    if gpu_milli >= MILLI:
        count = -(-gpu_milli // MILLI)
        whole = [(device, MILLI) for device, left in enumerate(free) if left == MILLI]
        return tuple(whole[:count]) if len(whole) >= count else None
    if not gpu_milli:
        return ()
    loss = losses(gpu_milli, worth)
    enough = [(loss[left], device) for device, left in enumerate(free) if gpu_milli <= left <= MILLI]
    return ((min(enough)[1], gpu_milli),) if enough else None


def preference(fleet: Fleet, request: Request) -> Whole:
    """How well each node suits, less is better: what a share loses there, or else what is left of the node."""
    if not 0 < request.gpu_milli < MILLI:
        return fleet.fill
    loss = np.array(losses(request.gpu_milli, fleet.worth), np.int32)
    in_part = np.where(fleet.part >= request.gpu_milli, loss[fleet.part], _FAR)
    in_whole = np.where(fleet.whole > 0, loss[MILLI] + fleet.fill, _FAR)
    return np.minimum(in_part, in_whole)


def _tightest(fleet: Fleet, request: Request, end_s: float) -> int | None:
    """The node of least `preference`, found without looking at all. Raises: LookupError: it is none of the first."""

    def fits(at: int) -> bool:
        return fleet.has_room(at, request, end_s)

    if not 0 < request.gpu_milli < MILLI:
        return fleet.by_fill.first(fleet.by_fill.amounts(request.gpu_milli), fits, MOST_TRIES)
    loss = losses(request.gpu_milli, fleet.worth)
    parts = sorted(fleet.by_part.amounts(request.gpu_milli), key=lambda part: loss[part])
    before = [part for part in parts if loss[part] <= loss[MILLI]]
    at = fleet.by_part.first(before, fits, MOST_TRIES)
    if at is None:
        at = fleet.by_fill.first(fleet.by_fill.amounts(MILLI), fits, MOST_TRIES)
    return fleet.by_part.first(parts[len(before) :], fits, MOST_TRIES) if at is None else at


def _beside(fleet: Fleet, request: Request, shares: Sequence[Share]) -> Mask:
    """Nodes that a gang could have besides these."""
    own = sorted(fleet.where(shares))
    others = np.ones(len(fleet.names), np.bool_)
    if own and request.topology_required and request.topology in fleet.groups:
        groups = fleet.groups[request.topology]
        others = groups == groups[own[0]]
    others[own] = False
    return others


def _choose(fleet: Fleet, request: Request, room: Mask, cost: Whole, num: int) -> Whole | None:
    if num == 1:
        at = int(np.where(room, cost, _FAR).argmin())
        return np.array([at], np.int32) if room[at] else None
    candidates = np.flatnonzero(room).astype(np.int32)
    if len(candidates) < num:
        return None
    groups = fleet.groups.get(request.topology)
    if groups is None:
        return candidates[_least(cost[candidates], num)]
    return _near(candidates, cost[candidates], groups[candidates], num, required=request.topology_required)


def _least(cost: Whole, num: int) -> NDArray[np.intp]:
    """Where the `num` least are, the first of equal ones first."""
    return np.argsort(cost, kind="stable")[:num]


def _near(candidates: Whole, cost: Whole, groups: Whole, num: int, *, required: bool) -> Whole | None:
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


def _on_one_node(
    fleet: Fleet, request: Request, room: Mask, end_s: float, num: int, *, at_once: bool
) -> tuple[Share, ...] | None:
    together = replace(request, cpus=num * request.cpus, memory_bytes=num * request.memory_bytes)
    candidates = np.flatnonzero(room & fleet.feasible(together, end_s, at_once=at_once))
    for at in candidates[np.argsort(preference(fleet, request)[candidates], kind="stable")]:
        free = fleet.unheld(int(at), end_s, at_once=at_once)
        found = list(_members(free, request, num, fleet.worth))
        if len(found) == num:
            name = fleet.names[at]
            return tuple(Share(name, milli, request.cpus, request.memory_bytes) for milli in found)
    return None


def _members(
    free: Sequence[int], request: Request, num: int, worth: tuple[float, ...]
) -> Iterator[tuple[tuple[int, int], ...]]:
    """What each of the members gets of one node, of as many as fit."""
    left = list(free)
    for _ in range(num):
        taken = _devices(left, request.gpu_milli, worth)
        if taken is None:
            return
        for device, milli in taken:
            left[device] -= milli
        yield taken
