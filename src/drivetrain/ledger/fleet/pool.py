"""One pool over time: what no attempt held, in its leaves, as sums that any window can be cut from."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from operator import mul
from typing import NamedTuple

import msgspec

from drivetrain.core.leaves import FreeLeaf
from drivetrain.ledger.fleet.demand import Demand, Room, Shape
from drivetrain.ledger.fleet.node import Node
from drivetrain.ledger.fleet.rooms import Rooms

LEAF_OF_STATE = {
    "draining": FreeLeaf.DRAINING,
    "cordoned": FreeLeaf.BROKEN,
    "broken": FreeLeaf.BROKEN,
    "down": FreeLeaf.BROKEN,
}


class Level(NamedTuple):
    """Milli of a pool at one time, or milli-ns since its beginning."""

    capacity: int = 0
    allocated: int = 0
    draining: int = 0
    broken: int = 0
    fragmented: int = 0
    idle: int = 0


class _Entry(msgspec.Struct, frozen=True, gc=False):
    """What a node adds to its pool, milli; `leaf` of what is free, None where it can be used: then there is a room."""

    capacity: int
    leaf: FreeLeaf | None
    free: int
    broken: int
    room: Room | None


class Pool:
    """A pool's level as it changes; times must not fall. Attributes: capacity: milli, now."""

    def __init__(self) -> None:
        self.price = 0
        self.demand = Demand()
        self.times_ns: list[int] = []
        self.levels: list[tuple[int, ...]] = []
        self.prices: list[int] = []
        self._rooms = Rooms()
        self._nodes: dict[str, _Entry] = {}
        self.capacity = 0
        self._free: dict[FreeLeaf | None, int] = {None: 0, FreeLeaf.DRAINING: 0, FreeLeaf.BROKEN: 0}
        self._fragmented = 0
        self._shapes: tuple[Shape, ...] = ()
        self._is_moved = False

    def put(self, name: str, node: Node | None) -> None:
        """A node of the pool is like this now; None: it is of this pool no longer."""
        old = self._nodes.pop(name, None)
        if old is not None:
            self._count(old, -1)
        if node is not None and node.capacity:
            leaf, free = LEAF_OF_STATE.get(node.event.state), sum(node.free)
            room = node.room() if leaf is None and free else None
            new = _Entry(node.capacity, leaf, free, node.broken, room)
            self._nodes[name] = new
            self._count(new, 1)
        self._is_moved = True

    def _count(self, entry: _Entry, times: int) -> None:
        self.capacity += times * entry.capacity
        self._free[entry.leaf] += times * entry.free
        self._free[FreeLeaf.BROKEN] += times * entry.broken
        if entry.room is not None:
            self._rooms.change(entry.room, times)

    def mark(self, at_ns: int) -> None:
        """All changes of this instant are told: note the level."""
        shapes, free = self.demand.shapes, self._free
        if self._is_moved or shapes != self._shapes:
            self._fragmented = self._rooms.fragmented_milli(shapes)
            self._shapes, self._is_moved = shapes, False
        elif self.prices and self.price == self.prices[-1]:
            return
        draining, broken = free[FreeLeaf.DRAINING], free[FreeLeaf.BROKEN]
        allocated = self.capacity - free[None] - draining - broken
        idle = free[None] - self._fragmented
        level = self.capacity, allocated, draining, broken, self._fragmented, idle
        if self.levels and level == self.levels[-1] and self.price == self.prices[-1]:
            return
        self.times_ns.append(at_ns)
        self.levels.append(level)
        self.prices.append(self.price)

    @property
    def stretch(self) -> Stretch:
        """What has been noted so far."""
        return Stretch(self.times_ns, self.levels, self.prices)

    def cut(self, at_ns: int) -> Stretch:
        """What has been noted up to now, which it forgets but for the level as it is."""
        gone = self.stretch
        if gone.times_ns:
            self.times_ns, self.levels, self.prices = [at_ns], [gone.levels[-1]], [gone.prices[-1]]
        return gone

    def go_on(self, stretch: Stretch, nodes: Iterable[tuple[str, Node]]) -> None:
        """From where it was cut. Args: nodes: of the pool."""
        self.times_ns, self.levels, self.prices = list(stretch.times_ns), list(stretch.levels), list(stretch.prices)
        for name, node in nodes:
            self.put(name, node)
        self._is_moved = True  # what changed at the instant of the cut is still to be noted


class Stretch(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Part of a pool's history. Attributes: levels: from each time on, milli; prices: of a device-hour, likewise."""

    times_ns: list[int]
    levels: list[tuple[int, ...]]
    prices: list[int]


Sums = tuple[Level, Level]
"""Milli-ns of a window, and the same times the price."""
NOTHING: Sums = (Level(), Level())


class Curve:
    """A pool's history, told to its end: sums over any window in the time of two look-ups.

    Args:
      before: what there was before its first time, since the beginning of the one window that is asked for.
    """

    def __init__(self, stretch: Stretch, end_ns: int, before: Sums = NOTHING) -> None:
        self.times_ns, self.levels, self.prices = stretch.times_ns, stretch.levels, stretch.prices
        self.end_ns = end_ns
        self._before = before
        spans_ns = [after - before for before, after in pairwise(self.times_ns)]
        self._sums = _sums(self.levels, spans_ns)
        self._money = _sums(self.levels, list(map(mul, spans_ns, self.prices)))

    def level_at(self, at_ns: int) -> Level:
        """Milli at an instant."""
        index = bisect_right(self.times_ns, at_ns) - 1
        return Level(*self.levels[index]) if index >= 0 else Level()

    def between(self, start_ns: int, end_ns: int) -> Sums:
        """Milli-ns in a window, and the same times the price."""
        upper, lower = self._until(end_ns), self._until(start_ns)
        return _less(upper[0], lower[0]), _less(upper[1], lower[1])

    def _until(self, at_ns: int) -> Sums:
        at_ns = min(at_ns, self.end_ns)
        index = bisect_right(self.times_ns, at_ns) - 1
        if index < 0:
            return NOTHING
        span_ns, level, price = at_ns - self.times_ns[index], self.levels[index], self.prices[index]
        since = (
            Level(*(sums[index] + milli * span_ns for sums, milli in zip(self._sums, level, strict=True))),
            Level(*(sums[index] + milli * span_ns * price for sums, milli in zip(self._money, level, strict=True))),
        )
        return together(self._before, since)


def _sums(levels: Sequence[Sequence[int]], weights: Sequence[int]) -> list[list[int]]:
    """Of each field of a level, for each time the sum of all before it."""
    return [list(accumulate(map(mul, field, weights), initial=0)) for field in zip(*levels, strict=True)]


def together(one: Sums, other: Sums) -> Sums:
    """Of two windows that follow each other."""
    return tuple(Level(*(a + b for a, b in zip(*both, strict=True))) for both in zip(one, other, strict=True))  # type: ignore[return-value]


def _less(one: Level, other: Level) -> Level:
    return Level(*(a - b for a, b in zip(one, other, strict=True)))
