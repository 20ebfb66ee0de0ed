"""What is over for good and lies within a window as a whole, summed up: most of what a long window is made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import msgspec

from drivetrain.core.leaves import Leaf


class Held(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What was held at one price. Attributes: price: of a device-hour; leaves: milli-ns."""

    price: int
    leaves: dict[Leaf, int]


class SettledPool(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What was held of one pool. Attributes: num: by so many attempts; the others as in an account."""

    pool: str
    num: int
    held: tuple[Held, ...]
    ideal: int
    measured: int
    provisional: int


class Settled(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Attempts and waits of one job, user and team, or of several, whose names are then empty.

    Attributes:
      start_ns, end_ns: of the first and of the last.
      num: attempts that held something.
      uncarried: milli-ns by pool.
      queued: milli-ns that was waited for, and the same times the price, by pool.
    """

    start_ns: int
    end_ns: int
    team: str
    user: str
    job: str
    num: int
    pools: tuple[SettledPool, ...] = ()
    uncarried: dict[str, int] = {}
    queued: dict[str, tuple[int, int]] = {}


def merged(found: Iterable[Settled], names: Collection[str]) -> tuple[Settled, ...]:
    """As few as tell apart what these of `team`, `user` and `job` tell apart."""
    sums: dict[tuple[str, str, str], _Sum] = {}
    by_team, by_user, by_job = "team" in names, "user" in names, "job" in names
    for each in found:
        key = each.team if by_team else "", each.user if by_user else "", each.job if by_job else ""
        known = sums.get(key)
        if known is None:
            known = sums[key] = _Sum(each.start_ns, each.end_ns)
        known.add(each)
    return tuple(known.settled(*key) for key, known in sums.items())


@dataclass(slots=True)
class _OfPool:
    num: int = 0
    ideal: int = 0
    measured: int = 0
    provisional: int = 0
    held: dict[int, dict[Leaf, int]] = field(default_factory=dict)

    def add(self, other: SettledPool) -> None:
        self.num += other.num
        self.ideal += other.ideal
        self.measured += other.measured
        self.provisional += other.provisional
        for held in other.held:
            leaves = self.held.get(held.price)
            if leaves is None:
                leaves = self.held[held.price] = defaultdict(int)
            for leaf, milli_ns in held.leaves.items():
                leaves[leaf] += milli_ns

    def settled(self, pool: str) -> SettledPool:
        held = tuple(Held(price, dict(leaves)) for price, leaves in self.held.items())
        return SettledPool(pool, self.num, held, self.ideal, self.measured, self.provisional)


@dataclass(slots=True)
class _Sum:
    start_ns: int
    end_ns: int
    num: int = 0
    pools: dict[str, _OfPool] = field(default_factory=dict)
    uncarried: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    queued: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, other: Settled) -> None:
        self.start_ns, self.end_ns = min(self.start_ns, other.start_ns), max(self.end_ns, other.end_ns)
        self.num += other.num
        for part in other.pools:
            known = self.pools.get(part.pool)
            if known is None:
                known = self.pools[part.pool] = _OfPool()
            known.add(part)
        for pool, milli_ns in other.uncarried.items():
            self.uncarried[pool] += milli_ns
        for pool, (milli_ns, money) in other.queued.items():
            before = self.queued.get(pool, (0, 0))
            self.queued[pool] = before[0] + milli_ns, before[1] + money

    def settled(self, team: str, user: str, job: str) -> Settled:
        pools = tuple(known.settled(pool) for pool, known in self.pools.items())
        times_ns = self.start_ns, self.end_ns
        return Settled(*times_ns, team, user, job, self.num, pools, dict(self.uncarried), self.queued)
