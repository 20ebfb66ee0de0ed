"""One pool over time: what no attempt held, in its leaves, as sums that any window can be cut from."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from typing import NamedTuple

from drivetrain.core.leaves import FreeLeaf
from drivetrain.ledger.fleet.demand import Demand, Room, Shape, fragmented_milli
from drivetrain.ledger.fleet.node import Node

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


class Pool:
    """A pool's level as it changes. Times must not fall."""

    def __init__(self) -> None:
        self.price = 0
        self.demand = Demand()
        self.times_ns: list[int] = []
        self.levels: list[Level] = []
        self.prices: list[int] = []
        self._rooms: Counter[Room] = Counter()
        self._nodes: dict[str, tuple[int, FreeLeaf | None, int, Room | None]] = {}
        self._capacity = 0
        self._free: dict[FreeLeaf | None, int] = {None: 0, FreeLeaf.DRAINING: 0, FreeLeaf.BROKEN: 0}
        self._judged: tuple[tuple[Shape, ...], int] = ((), 0)
        self._is_moved = False

    def put(self, name: str, node: Node | None) -> None:
        """A node of the pool is like this now; None: it is of this pool no longer."""
        old = self._nodes.pop(name, None)
        if old is not None:
            capacity, leaf, free, room = old
            self._capacity -= capacity
            self._free[leaf] -= free
            if room is not None:
                self._rooms[room] -= 1
                if not self._rooms[room]:
                    del self._rooms[room]
        if node is not None and node.capacity:
            leaf, free = LEAF_OF_STATE.get(node.event.state), sum(node.free)
            room = node.room() if leaf is None and free else None
            self._nodes[name] = (node.capacity, leaf, free, room)
            self._capacity += node.capacity
            self._free[leaf] += free
            if room is not None:
                self._rooms[room] += 1
        self._is_moved = True

    def mark(self, at_ns: int) -> None:
        """All changes of this instant are told: note the level."""
        shapes, fragmented = self._judged
        if self._is_moved or shapes != self.demand.shapes:
            shapes = self.demand.shapes
            fragmented = fragmented_milli(self._rooms.items(), shapes)
            self._judged, self._is_moved = (shapes, fragmented), False
        free = self._free
        allocated = self._capacity - sum(free.values())
        level = Level(
            self._capacity,
            allocated,
            free[FreeLeaf.DRAINING],
            free[FreeLeaf.BROKEN],
            fragmented,
            free[None] - fragmented,
        )
        if self.levels and level == self.levels[-1] and self.price == self.prices[-1]:
            return
        self.times_ns.append(at_ns)
        self.levels.append(level)
        self.prices.append(self.price)


class Curve:
    """A pool's history, told to its end: sums over any window in the time of two look-ups."""

    def __init__(self, pool: Pool, end_ns: int) -> None:
        self.times_ns = pool.times_ns
        self.levels = pool.levels
        self.prices = pool.prices
        self.end_ns = end_ns
        self._sums = [Level()]
        self._money = [Level()]
        for index in range(1, len(self.times_ns)):
            span_ns = self.times_ns[index] - self.times_ns[index - 1]
            level, price = self.levels[index - 1], self.prices[index - 1]
            self._sums.append(_plus(self._sums[-1], level, span_ns))
            self._money.append(_plus(self._money[-1], level, span_ns * price))

    def level_at(self, at_ns: int) -> Level:
        """Milli at an instant."""
        index = bisect_right(self.times_ns, at_ns) - 1
        return self.levels[index] if index >= 0 else Level()

    def between(self, start_ns: int, end_ns: int) -> tuple[Level, Level]:
        """Milli-ns in a window, and the same times the price."""
        upper, lower = self._until(end_ns), self._until(start_ns)
        return _less(upper[0], lower[0]), _less(upper[1], lower[1])

    def _until(self, at_ns: int) -> tuple[Level, Level]:
        at_ns = min(at_ns, self.end_ns)
        index = bisect_right(self.times_ns, at_ns) - 1
        if index < 0:
            return Level(), Level()
        span_ns, level = at_ns - self.times_ns[index], self.levels[index]
        return _plus(self._sums[index], level, span_ns), _plus(self._money[index], level, span_ns * self.prices[index])


def _plus(one: Level, other: Level, times: int) -> Level:
    return Level(*(a + b * times for a, b in zip(one, other, strict=True)))


def _less(one: Level, other: Level) -> Level:
    return Level(*(a - b for a, b in zip(one, other, strict=True)))
