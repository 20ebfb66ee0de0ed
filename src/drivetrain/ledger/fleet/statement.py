"""A fleet in order -> the account of a window, whole and row by row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from drivetrain.core.errors import UsageError
from drivetrain.core.leaves import FreeLeaf, Leaf
from drivetrain.ledger.fleet.account import FleetAccount, Statement, stacked
from drivetrain.ledger.fleet.explain import Explanation, Terms, explained
from drivetrain.ledger.fleet.settled import Held, Settled, SettledPool
from drivetrain.ledger.fleet.sweep import Attempt, Fleet, Queued

BY = ("pool", "team", "user", "job")
Where = Mapping[str, str | frozenset[str]]
"""Some of these names, each with the one value that counts, or with all that do."""


def statement(
    fleet: Fleet,
    start_ns: int,
    end_ns: int,
    *,
    by: Sequence[str] = (),
    where: Where | None = None,
) -> Statement:
    """The account of a window, whole and by what `by` names.

    Args:
      end_ns: cut at the moment that the fleet was read.
      by: some of `pool`, `team`, `user`, `job`.
      where: what counts, of the same names. What nobody held belongs to no team, user or job.
    Raises: UsageError: an unknown name, a window that ends before it starts, or one that the fleet was not read for.
    """
    return statements(fleet, start_ns, end_ns, [(by, where or {})])[0]


def statements(
    fleet: Fleet, start_ns: int, end_ns: int, asked: Sequence[tuple[Sequence[str], Where]]
) -> list[Statement]:
    """Several of one window, for little more than one: what attempts did is found out once. Args: asked: by, where."""
    _check(fleet, start_ns, end_ns, {name for by, where in asked for name in (*by, *where)})
    end_ns = max(start_ns, min(end_ns, fleet.read_at_ns))
    sheets = [_Sheet(start_ns, end_ns, tuple(by), where) for by, where in asked]
    for sheet in sheets:
        sheet.add_free(fleet)
    for attempt in fleet.attempts:
        if of_it := [sheet for sheet in sheets if sheet.has(attempt, fleet.read_at_ns)]:
            found = _found(attempt, start_ns, end_ns, fleet.read_at_ns)
            for sheet in of_it:
                sheet.add_attempt(attempt, found)
    for sheet in sheets:
        for settled in fleet.settled:
            sheet.add_settled(settled)
        for queued in fleet.queue:
            sheet.add_queued(queued)
    return [sheet.statement() for sheet in sheets]


def _check(fleet: Fleet, start_ns: int, end_ns: int, names: Collection[str]) -> None:
    for name in sorted(names):
        if name not in BY:
            raise UsageError(f"a fleet's account by {name!r} is not known", hint=f"one of {', '.join(BY)}")
    if end_ns < start_ns:
        raise UsageError(f"the window ends at {end_ns} ns, before it starts at {start_ns} ns")
    if fleet.since_ns is None:
        return
    if start_ns != fleet.since_ns or end_ns < fleet.read_at_ns:
        raise UsageError(f"this fleet was read for the window from {fleet.since_ns} to {fleet.read_at_ns} ns alone")
    if unread := {*names} - fleet.names - {"pool"}:
        raise UsageError(f"this fleet was not read by {', '.join(sorted(unread))}")


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
            stacked(self.leaves),
            stacked(self.money),
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

    def __init__(self, start_ns: int, end_ns: int, by: tuple[str, ...], where: Where) -> None:
        self.start_ns, self.end_ns = start_ns, end_ns
        self.by = by
        wanted = {name: frozenset({values}) if isinstance(values, str) else values for name, values in where.items()}
        self._told_apart = [BY.index(name) for name in by]
        self._wanted = [(BY.index(name), values) for name, values in wanted.items()]
        self._pools = wanted.get("pool")
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
        names = pool, team, user, job
        if any(names[index] not in values for index, values in self._wanted):
            return None
        key = tuple([names[index] for index in self._told_apart])
        row = self.rows.get(key)
        if row is None:
            row = self.rows[key] = _Row()
        return row

    def _span_ns(self, start_ns: int, end_ns: int) -> int:
        """How much of it is in the window."""
        return max(0, min(end_ns, self.end_ns) - max(start_ns, self.start_ns))

    def add_free(self, fleet: Fleet) -> None:
        for name, curve in fleet.pools.items():
            if not self._has_pool(name):
                continue
            level, money = curve.between(self.start_ns, self.end_ns)
            self.capacity[name] = level.capacity
            row = self._row(name) if level.capacity else None
            if row is not None:
                for leaf in FreeLeaf:
                    row.leaves[leaf] += getattr(level, leaf)
                    row.money[leaf] += getattr(money, leaf)

    def has(self, attempt: Attempt, read_at_ns: int) -> bool:
        """Whether it may have anything of the window, and of what was chosen."""
        end_ns = read_at_ns if attempt.end_ns is None else attempt.end_ns
        return self._has(attempt.team, attempt.user, attempt.job) and self._span_ns(attempt.start_ns, end_ns) > 0

    def _has(self, team: str, user: str, job: str) -> bool:
        """Whether it counts, in whatever pool."""
        names = "", team, user, job
        return all(names[index] in values for index, values in self._wanted if BY[index] != "pool")

    def _has_pool(self, name: str) -> bool:
        return self._pools is None or name in self._pools

    def add_attempt(self, attempt: Attempt, found: Mapping[str, _Row]) -> None:
        for pool, part in found.items():
            row = self._row(pool, attempt.team, attempt.user, attempt.job)
            if row is not None:
                row.add(part)
        self.num_attempts += any(map(self._has_pool, found))
        self._add_shortages(attempt)

    def add_settled(self, settled: Settled) -> None:
        """What lies within the window as a whole."""
        who = settled.team, settled.user, settled.job
        if not self._has(*who):
            return
        for part in settled.pools:
            row = self._row(part.pool, *who)
            if row is None:
                continue
            row.num_attempts += part.num
            row.ideal += part.ideal
            row.measured += part.measured
            row.provisional += part.provisional
            for held in part.held:
                for leaf, milli_ns in held.leaves.items():
                    row.leaves[leaf] += milli_ns
                    row.money[leaf] += milli_ns * held.price
        if self._pools is None:
            self.num_attempts += settled.num
        else:
            self.num_attempts += sum(part.num for part in settled.pools if part.pool in self._pools)
        for pool, milli_ns in settled.uncarried.items():
            if (row := self._row(pool, *who)) is not None:
                row.uncarried += milli_ns
        for pool, (milli_ns, money) in settled.queued.items():
            if (row := self._row(pool, *who)) is not None:
                row.queued += milli_ns
                row.queued_money += money

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


def settle(attempt: Attempt) -> Settled | None:
    """Sum up an attempt that has ended over all its time; None where it took none, so that no window has any of it."""
    if attempt.end_ns is None or attempt.end_ns <= attempt.start_ns:
        return None
    explanation = explained(attempt, attempt.end_ns)
    held: dict[str, dict[int, dict[Leaf, int]]] = {}
    productive: dict[str, _Row] = {}
    for (pool, price), leaf, milli_ns in explanation.parts(attempt.start_ns, attempt.end_ns):
        leaves = held.setdefault(pool, {}).setdefault(price, defaultdict(int))
        leaves[leaf] += milli_ns
        productive.setdefault(pool, _Row()).leaves[leaf] += milli_ns
    ideals = _ideal(explanation, productive, attempt.start_ns)
    uncarried: dict[str, int] = defaultdict(int)
    for short in (short for claim in attempt.claims for short in claim.shortages):
        uncarried[short.pool] += (short.end_ns - short.start_ns) * short.milli
    is_provisional = attempt.told is not None and attempt.told.is_running
    pools = tuple(
        SettledPool(
            pool,
            1,
            tuple(Held(price, leaves) for price, leaves in prices.items()),
            ideals.get(pool, 0),
            productive[pool].leaves[Leaf.PRODUCTIVE] if pool in ideals else 0,
            sum(productive[pool].leaves.values()) if is_provisional else 0,
        )
        for pool, prices in held.items()
    )
    who = attempt.team, attempt.user, attempt.job
    return Settled(attempt.start_ns, attempt.end_ns, *who, int(bool(pools)), pools, uncarried)


def settle_wait(queued: Queued) -> Settled | None:
    """Likewise one that waited."""
    milli_ns = (queued.end_ns - queued.start_ns) * queued.milli
    if milli_ns <= 0:
        return None
    who = queued.team, queued.user, queued.job
    amounts = {queued.pool: (milli_ns, milli_ns * queued.price)}
    return Settled(queued.start_ns, queued.end_ns, *who, 0, queued=amounts)


def _found(attempt: Attempt, start_ns: int, end_ns: int, read_at_ns: int) -> dict[str, _Row]:
    """What an attempt did in a window with what it held, by pool."""
    told, explanation = attempt.told, explained(attempt, read_at_ns)
    is_open = attempt.end_ns is None or (told is not None and told.is_running)
    parts = _by_pool(explanation.parts(start_ns, end_ns))
    ideals = _ideal(explanation, parts, start_ns)
    for pool, part in parts.items():
        part.num_attempts = 1
        part.provisional = sum(part.leaves.values()) if is_open else 0
        if pool in ideals:
            part.ideal = ideals[pool]
            part.measured = part.leaves[Leaf.PRODUCTIVE]
    return parts


def _by_pool(parts: Iterable[tuple[Terms, Leaf, int]]) -> dict[str, _Row]:
    found: dict[str, _Row] = {}
    for (pool, price), leaf, milli_ns in parts:
        row = found.get(pool)
        if row is None:
            row = found[pool] = _Row()
        row.leaves[leaf] += milli_ns
        row.money[leaf] += milli_ns * price
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
        for (pool, _), leaf, milli_ns in explanation.parts(explanation.attempt.start_ns, start_ns):
            if leaf is Leaf.PRODUCTIVE:
                before[pool] += milli_ns
    return {
        pool: (before[pool] + part.leaves[Leaf.PRODUCTIVE]) * told.ideal_ns // told.productive_ns
        - before[pool] * told.ideal_ns // told.productive_ns
        for pool, part in parts.items()
    }
