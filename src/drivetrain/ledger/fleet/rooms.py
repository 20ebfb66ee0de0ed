"""What is free of a pool's nodes, and how much of it is fragmented, kept up to date change by change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence

from drivetrain.ledger.fleet.demand import Room, Shape, fragmented_milli, num_copies

_MOST_SUMS = 64
_MOST_CHANGES = 4096
_MOST_KNOWN = 4096


class Rooms:
    """Rooms, each so many times.

    Requests come and go far more often than a pool's nodes change, and mostly by turns: so a sum over all rooms is kept
    for each that was asked for lately, and brought up to date by what changed since.
    """

    def __init__(self) -> None:
        self._rooms: Counter[Room] = Counter()
        self._changes: list[tuple[Room, int]] = []
        self._num_forgotten = 0
        self._sums: dict[Hashable, _Sum] = {}

    def change(self, room: Room, times: int) -> None:
        """There are so many more of it, or fewer."""
        self._rooms[room] += times
        if not self._rooms[room]:
            del self._rooms[room]
        if len(self._changes) == _MOST_CHANGES:
            self._num_forgotten += _MOST_CHANGES
            self._changes.clear()
        self._changes.append((room, times))

    def fragmented_milli(self, shapes: Sequence[Shape]) -> int:
        """How much none of the shapes can use; nothing where there are no shapes."""
        if not shapes or not self._rooms:
            return 0
        placeable = tuple(shape for shape in shapes if self._sum(shape, _copies_of(shape)) >= shape.nodes)
        return self._sum(placeable, lambda room: fragmented_milli(room, placeable))

    def _sum(self, key: Hashable, measure: Callable[[Room], int]) -> int:
        kept = self._sums.pop(key, None)
        if kept is None:
            kept = _Sum(measure)
            if len(self._sums) >= _MOST_SUMS:
                del self._sums[next(iter(self._sums))]  # asked for longest ago
        self._sums[key] = kept
        num_changes = self._num_forgotten + len(self._changes)
        behind = num_changes - kept.num_changes
        if behind > min(len(self._changes), len(self._rooms)):
            kept.total = 0
            kept.add(self._rooms.items())
        elif behind:
            kept.add(self._changes[-behind:])
        kept.num_changes = num_changes
        return kept.total


class _Sum:
    """Of a measure over rooms, as of so many changes; -1 where it was never taken."""

    def __init__(self, measure: Callable[[Room], int]) -> None:
        self.total = 0
        self.num_changes = -1
        self._measure = measure
        self._known: dict[Room, int] = {}

    def add(self, rooms: Iterable[tuple[Room, int]]) -> None:
        known = self._known
        for room, times in rooms:
            value = known.get(room)
            if value is None:
                if len(known) >= _MOST_KNOWN:
                    known.clear()
                value = known[room] = self._measure(room)
            self.total += value * times


def _copies_of(shape: Shape) -> Callable[[Room], int]:
    return lambda room: num_copies(room, shape)
