"""Which free accelerators nobody who asks can use as they lie: the measure behind `fragmented`.

After FGD ("Beware of Fragmentation", USENIX ATC 2023), whose fragment of a node for one kind of task is all that is
free where the task does not fit, and else what is free on devices with less than it asks. FGD takes the mean over
typical tasks, weighing by how often each comes, because it looks ahead; an account looks back at who did wait, so that
here a free part is a fragment when it is one for every request that waits. While nobody waits, typical requests judge:
the most frequent of those seen so far, until they are 95 % of them, as FGD takes them. Before anybody ever asked,
nothing is fragmented. A gang can use a node where all its pieces fit at once. What a quota or a policy keeps from a
request that fits is idle, not fragmented; so is what racks and fabrics keep from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from drivetrain.ledger.fleet.events import MILLI, Wait

_TYPICAL_SHARE_PCT = 95
UNBOUNDED = 1 << 60


class Shape(msgspec.Struct, frozen=True, order=True, gc=False):
    """What each of `nodes` pieces asks of a node; two requests of one shape are alike to the account."""

    milli: int
    nodes: int
    gpu: str
    cpu_milli: int
    memory_bytes: int

    @property
    def least_free(self) -> int:
        """Milli that a device must have free to be of use to it."""
        return min(self.milli, MILLI)


class Room(msgspec.Struct, frozen=True, gc=False):
    """What is free of a node: milli of each device that has any, falling; what is unbounded is very much."""

    gpu: str
    free: tuple[int, ...]
    cpu_milli: int = UNBOUNDED
    memory_bytes: int = UNBOUNDED


def shape_of(wait: Wait) -> Shape:
    """What a waiting job asks for; whole devices are counted up."""
    milli = wait.milli if wait.milli < MILLI else -(-wait.milli // MILLI) * MILLI
    return Shape(milli, wait.nodes, wait.gpu, wait.cpu_milli, wait.memory_bytes)


def num_copies(room: Room, shape: Shape) -> int:
    """How many pieces of a request this room can hold at once."""
    if shape.gpu and shape.gpu != room.gpu:
        return 0
    if shape.milli < MILLI:
        copies = sum(free // shape.milli for free in room.free)
    else:
        copies = room.free.count(MILLI) // (shape.milli // MILLI)
    if copies and shape.cpu_milli:
        copies = min(copies, room.cpu_milli // shape.cpu_milli)
    if copies and shape.memory_bytes:
        copies = min(copies, room.memory_bytes // shape.memory_bytes)
    return copies


def fragmented_milli(room: Room, shapes: Iterable[Shape]) -> int:
    """How much of this room none of the shapes can use; all of it where there are none."""
    usable = [shape.least_free for shape in shapes if num_copies(room, shape)]
    least = min(usable, default=MILLI + 1)
    return sum(free for free in room.free if free < least)


def easiest(shapes: Iterable[Shape]) -> tuple[Shape, ...]:
    """Those of which none is easier to place in every respect: what is of use to no other is of use to none."""
    found: list[Shape] = []
    for shape in sorted(shapes):
        if not any(_is_easier(other, shape) for other in found):
            found.append(shape)
    return tuple(found)


def _is_easier(one: Shape, other: Shape) -> bool:
    return (
        one.milli <= other.milli
        and one.nodes <= other.nodes
        and one.gpu in ("", other.gpu)
        and one.cpu_milli <= other.cpu_milli
        and one.memory_bytes <= other.memory_bytes
    )


class DemandState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A demand as it is kept. Attributes: seen: how often each shape was; the others are the demand's own."""

    shapes: tuple[Shape, ...]
    seen: tuple[tuple[Shape, int], ...]
    num_seen: int
    num_judged: int
    typical: tuple[Shape, ...]


class Demand:
    """The requests that one pool could serve, as they come and go. Attributes: shapes: those that judge it now."""

    def __init__(self) -> None:
        self.shapes: tuple[Shape, ...] = ()
        self._waiting: Counter[Shape] = Counter()
        self._seen: Counter[Shape] = Counter()
        self._num_seen = self._num_judged = 0
        self._typical: tuple[Shape, ...] = ()

    @property
    def state(self) -> DemandState:
        """What it has learnt, without those who wait."""
        seen = tuple(self._seen.items())
        return DemandState(self.shapes, seen, self._num_seen, self._num_judged, self._typical)

    @classmethod
    def restored(cls, state: DemandState, waiting: Iterable[Shape]) -> Demand:
        """As it was. Args: waiting: a shape for each who waits."""
        demand = cls()
        demand.shapes, demand._typical = state.shapes, state.typical
        demand._seen, demand._waiting = Counter(dict(state.seen)), Counter(waiting)
        demand._num_seen, demand._num_judged = state.num_seen, state.num_judged
        return demand

    def comes(self, shape: Shape) -> None:
        """A request begins to wait."""
        self._seen[shape] += 1
        self._num_seen += 1
        self._waiting[shape] += 1
        if len(self._waiting) == 1:
            self.shapes = (shape,)
        elif self._waiting[shape] == 1:
            self.shapes = easiest((*self.shapes, shape))

    def goes(self, shape: Shape) -> None:
        """It waits no longer."""
        self._waiting[shape] -= 1
        if self._waiting[shape] > 0:
            return
        del self._waiting[shape]
        if not self._waiting:
            self.shapes = self._typical_now()
        elif shape in self.shapes:
            self.shapes = easiest(self._waiting)

    def _typical_now(self) -> tuple[Shape, ...]:
        """Counted anew when a twentieth more were seen since: each time would cost too much where shapes are many."""
        if 20 * self._num_seen >= 21 * self._num_judged:
            self._num_judged = self._num_seen
            self._typical = easiest(typical(self._seen))
        return self._typical


def typical(seen: Counter[Shape]) -> list[Shape]:
    """The most frequent shapes until they are 95 % of all."""
    wanted = -(-_TYPICAL_SHARE_PCT * seen.total() // 100)
    found = []
    for shape, times in sorted(seen.items(), key=lambda item: (-item[1], item[0])):
        if wanted <= 0:
            break
        wanted -= times
        found.append(shape)
    return found
