"""Where all capacity of a fleet went in a window, whole or by pool, team, user or job: integers, exactly conserved.

    capacity = idle + fragmented + draining + broken + (the leaves of all attempts)
    SG = allocated / capacity    RG = productive / allocated    PG = ideal / productive    MPG = SG x RG x PG

after "ML Productivity Goodput" (arXiv:2502.06982). Device time is in milli-ns: thousandths of a device times
nanoseconds. Money is kept as milli-ns times the price of a device-hour, so that it too sums without rounding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from drivetrain.core.errors import LedgerError, UsageError
from drivetrain.core.leaves import FreeLeaf, Leaf
from drivetrain.core.units import NS_PER_S
from drivetrain.ledger.fleet.events import MILLI
from drivetrain.ledger.fleet.explain import Explanation, explained
from drivetrain.ledger.fleet.node import Holding
from drivetrain.ledger.fleet.sweep import Attempt, Fleet, Queued

BY = ("pool", "team", "user", "job")
LEAVES: tuple[str, ...] = (*(leaf.value for leaf in Leaf), *(leaf.value for leaf in FreeLeaf))
MONEY_PER_MICRO = MILLI * 3600 * NS_PER_S
"""What milli-ns times the price of a device-hour must be divided by to give millionths of the currency."""


@dataclass(frozen=True, slots=True)
class FleetAccount:
    """Device time and money of a window, of all of a fleet or of one part of it.

    Attributes:
      start_ns, end_ns: the window, cut at the moment somebody asks.
      capacity: milli-ns that the chosen pools were there for; what a team, user or job is measured against too.
      leaves: milli-ns by leaf in stacking order, without empty ones; for all of a fleet they sum to `capacity`.
      money: milli-ns times price by leaf.
      ideal: milli-ns that the arithmetic of the kept steps takes at the devices' peak, as far as measured.
      measured: productive milli-ns of the attempts of which that is known.
      provisional: milli-ns of attempts that still run or of which more will be told, so that their leaves may change.
      queued: milli-ns that jobs waited for; never part of the others.
      queued_money: likewise, times the price of the pool they asked for, or of the cheapest.
      uncarried: milli-ns that attempts were given and no capacity carried: the node was not there, or somebody else
        was given the same part later. A fault of those who tell; part of nothing else.
      num_attempts: that held something in the window.
    """

    start_ns: int
    end_ns: int
    capacity: int = 0
    leaves: Mapping[str, int] = field(default_factory=dict)
    money: Mapping[str, int] = field(default_factory=dict)
    ideal: int = 0
    measured: int = 0
    provisional: int = 0
    queued: int = 0
    queued_money: int = 0
    uncarried: int = 0
    num_attempts: int = 0

    @property
    def allocated(self) -> int:
        """Milli-ns that attempts held."""
        return sum(self.leaves.get(leaf, 0) for leaf in Leaf)

    @property
    def free(self) -> int:
        """Milli-ns that nobody held."""
        return sum(self.leaves.get(leaf, 0) for leaf in FreeLeaf)

    @property
    def productive(self) -> int:
        """Milli-ns of steps that were kept."""
        return self.leaves.get(Leaf.PRODUCTIVE, 0)

    @property
    def sg(self) -> float:
        """Scheduling goodput: allocated over capacity; of a team, its share of capacity. 0 without capacity."""
        return self.allocated / self.capacity if self.capacity else 0.0

    @property
    def rg(self) -> float:
        """Runtime goodput: productive over allocated; 0 where nothing was allocated."""
        return self.productive / self.allocated if self.allocated else 0.0

    @property
    def pg(self) -> float | None:
        """Program goodput: ideal over productive, of what was measured; None where nothing was."""
        return self.ideal / self.measured if self.measured else None

    @property
    def mpg(self) -> float | None:
        """ML productivity goodput: ideal over capacity where all was measured, else what that would be at this `pg`."""
        return None if self.pg is None else self.sg * self.rg * self.pg

    @property
    def cost(self) -> int:
        """Of all leaves, in millionths of the currency, rounded once."""
        return micros(sum(self.money.values()))


def micros(money: int) -> int:
    """Millionths of the currency, to the nearest."""
    return (2 * money + MONEY_PER_MICRO) // (2 * MONEY_PER_MICRO)


@dataclass(frozen=True, slots=True)
class Statement:
    """A window's account, and what it is made of.

    Attributes:
      whole: of all that was chosen.
      by: what the rows are told apart by.
      rows: an account for each, by its names; they sum to the whole, to the last milli-ns. What nobody held has empty
        names, but its pool's; an attempt with devices of two pools counts as one in each of them.
    """

    whole: FleetAccount
    by: tuple[str, ...]
    rows: Mapping[tuple[str, ...], FleetAccount]

    def check(self) -> None:
        """Raises LedgerError: rows do not sum to the whole, or the leaves of all of a fleet not to its capacity."""
        for leaf in LEAVES:
            parts = sum(row.leaves.get(leaf, 0) for row in self.rows.values())
            if parts != self.whole.leaves.get(leaf, 0):
                raise LedgerError(f"rows sum to {parts} milli-ns of {leaf}, the whole has {self.whole.leaves}")
        leaves = sum(self.whole.leaves.values())
        if leaves != self.whole.capacity or min(self.whole.leaves.values(), default=0) < 0:
            raise LedgerError(
                f"leaves sum to {leaves} milli-ns, capacity is {self.whole.capacity}: {self.whole.leaves}"
            )


def statement(
    fleet: Fleet,
    start_ns: int,
    end_ns: int,
    *,
    by: Sequence[str] = (),
    where: Mapping[str, str] | None = None,
) -> Statement:
    """The account of a window, whole and by what `by` names.

    Args:
      end_ns: cut at the moment that the fleet was read.
      by: some of `pool`, `team`, `user`, `job`.
      where: the same names, each with the one value that counts. What nobody held belongs to no team, user or job.
    Raises: UsageError: an unknown name, or a window that ends before it starts.
    """
    where = where or {}
    for name in (*by, *where):
        if name not in BY:
            raise UsageError(f"a fleet's account by {name!r} is not known", hint=f"one of {', '.join(BY)}")
    if end_ns < start_ns:
        raise UsageError(f"the window ends at {end_ns} ns, before it starts at {start_ns} ns")
    sheet = _Sheet(start_ns, max(start_ns, min(end_ns, fleet.read_at_ns)), tuple(by), where)
    sheet.add_free(fleet)
    for attempt in fleet.attempts:
        sheet.add_attempt(attempt, fleet.read_at_ns)
    for queued in fleet.queue:
        sheet.add_queued(queued)
    return sheet.statement()


def _stacked(amounts: Mapping[str, int]) -> dict[str, int]:
    """In stacking order, without empty ones."""
    return {leaf: amounts[leaf] for leaf in LEAVES if amounts.get(leaf)}


@dataclass(slots=True)
class _Row:
    """Sums in the making."""

    leaves: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    money: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    ideal: int = 0
    measured: int = 0
    provisional: int = 0
    queued: int = 0
    queued_money: int = 0
    uncarried: int = 0
    num_attempts: int = 0

    def add(self, other: _Row) -> None:
        for leaf, milli_ns in other.leaves.items():
            self.leaves[leaf] += milli_ns
        for leaf, amount in other.money.items():
            self.money[leaf] += amount
        self.ideal += other.ideal
        self.measured += other.measured
        self.provisional += other.provisional
        self.queued += other.queued
        self.queued_money += other.queued_money
        self.uncarried += other.uncarried
        self.num_attempts += other.num_attempts

    def account(self, start_ns: int, end_ns: int, capacity: int) -> FleetAccount:
        return FleetAccount(
            start_ns,
            end_ns,
            capacity,
            _stacked(self.leaves),
            _stacked(self.money),
            self.ideal,
            self.measured,
            self.provisional,
            self.queued,
            self.queued_money,
            self.uncarried,
            self.num_attempts,
        )


class _Sheet:
    """Everything of one window, sorted into rows."""

    def __init__(self, start_ns: int, end_ns: int, by: tuple[str, ...], where: Mapping[str, str]) -> None:
        self.start_ns, self.end_ns = start_ns, end_ns
        self.by, self.where = by, where
        self.capacity: dict[str, int] = {}
        self.rows: dict[tuple[str, ...], _Row] = {}
        self.num_attempts = 0

    def statement(self) -> Statement:
        whole = _Row()
        for row in self.rows.values():
            whole.add(row)
        whole.num_attempts = self.num_attempts
        total = sum(self.capacity.values())
        rows = {}
        for names, row in sorted(self.rows.items()):
            capacity = self.capacity.get(names[self.by.index("pool")], 0) if "pool" in self.by else total
            rows[names] = row.account(self.start_ns, self.end_ns, capacity)
        return Statement(whole.account(self.start_ns, self.end_ns, total), self.by, rows)

    def _row(self, pool: str, team: str = "", user: str = "", job: str = "") -> _Row | None:
        """Where something with these names belongs; None where it does not count."""
        names = {"pool": pool, "team": team, "user": user, "job": job}
        if any(names[name] != value for name, value in self.where.items()):
            return None
        key = tuple(names[name] for name in self.by)
        row = self.rows.get(key)
        if row is None:
            row = self.rows[key] = _Row()
        return row

    def _span_ns(self, start_ns: int, end_ns: int) -> int:
        """How much of it is in the window."""
        return max(0, min(end_ns, self.end_ns) - max(start_ns, self.start_ns))

    def add_free(self, fleet: Fleet) -> None:
        for name, curve in fleet.pools.items():
            if self.where.get("pool", name) != name:
                continue
            level, money = curve.between(self.start_ns, self.end_ns)
            self.capacity[name] = level.capacity
            row = self._row(name) if level.capacity else None
            if row is not None:
                for leaf in FreeLeaf:
                    row.leaves[leaf] += getattr(level, leaf)
                    row.money[leaf] += getattr(money, leaf)

    def add_attempt(self, attempt: Attempt, read_at_ns: int) -> None:
        end_ns = read_at_ns if attempt.end_ns is None else attempt.end_ns
        if not self._span_ns(attempt.start_ns, end_ns):
            return
        told, explanation = attempt.told, explained(attempt, read_at_ns)
        is_open = attempt.end_ns is None or (told is not None and told.is_running)
        parts = _by_pool(explanation.parts(self.start_ns, self.end_ns))
        ideals = _ideal(explanation, parts, self.start_ns)
        counts = 0
        for pool, part in parts.items():
            row = self._row(pool, attempt.team, attempt.user, attempt.job)
            if row is None:
                continue
            row.add(part)
            row.num_attempts += 1
            row.provisional += sum(part.leaves.values()) if is_open else 0
            if pool in ideals:
                row.ideal += ideals[pool]
                row.measured += part.leaves[Leaf.PRODUCTIVE]
            counts = 1
        self.num_attempts += counts
        self._add_shortages(attempt)

    def _add_shortages(self, attempt: Attempt) -> None:
        for claim in attempt.claims:
            for short in claim.shortages:
                span_ns = self._span_ns(short.start_ns, short.end_ns)
                row = self._row(short.pool, attempt.team, attempt.user, attempt.job) if span_ns else None
                if row is not None:
                    row.uncarried += span_ns * short.milli

    def add_queued(self, queued: Queued) -> None:
        span_ns = self._span_ns(queued.start_ns, queued.end_ns)
        row = self._row(queued.pool, queued.team, queued.user, queued.job) if span_ns else None
        if row is not None:
            row.queued += span_ns * queued.milli
            row.queued_money += span_ns * queued.milli * queued.price


def _by_pool(parts: Iterable[tuple[Holding, Leaf, int]]) -> dict[str, _Row]:
    found: dict[str, _Row] = {}
    for holding, leaf, milli_ns in parts:
        row = found.get(holding.pool)
        if row is None:
            row = found[holding.pool] = _Row()
        row.leaves[leaf] += milli_ns
        row.money[leaf] += milli_ns * holding.price
    return found


def _ideal(explanation: Explanation, parts: Mapping[str, _Row], start_ns: int) -> dict[str, int]:
    """Ideal milli-ns by pool in a window, where it was measured.

    It is spread over an attempt's productive time evenly. What is rounded is the sum since the attempt began, so that
    windows side by side have together what one over both has.
    """
    told = explanation.attempt.told
    if told is None or told.ideal_ns is None or not told.productive_ns:
        return {}
    before: dict[str, int] = defaultdict(int)
    if explanation.attempt.start_ns < start_ns:
        for holding, leaf, milli_ns in explanation.parts(explanation.attempt.start_ns, start_ns):
            if leaf is Leaf.PRODUCTIVE:
                before[holding.pool] += milli_ns
    return {
        pool: (before[pool] + part.leaves[Leaf.PRODUCTIVE]) * told.ideal_ns // told.productive_ns
        - before[pool] * told.ideal_ns // told.productive_ns
        for pool, part in parts.items()
    }
