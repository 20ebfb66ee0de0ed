"""Where the capacity went: the controller's history and each run's own account, as the ledger's fleet events.

History is read once: what has happened since the last page of the books is added to where that ended, and what is over
for good goes onto the next page. A question about a window takes the pages that it touches, and what came after them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine

from drivetrain.compute.controller.for_ledger import fleet_events
from drivetrain.compute.policy.values import Pool
from drivetrain.core.units import NS_PER_S
from drivetrain.ledger.fleet import (
    BY,
    Attempt,
    Fleet,
    PriceEvent,
    Sweep,
    close,
    kept,
    restored,
    summary_of,
    with_past,
)
from drivetrain.server.database import Records, reading
from drivetrain.server.database.books import Books, newest_page, read_books, read_past, turn_page
from drivetrain.server.services.telling import Telling

_AT_ONCE = 5000
_ON_A_PAGE = 1000
_OVER = ("job succeeded", "job failed", "job stopped")
_KINDS = ("controller begins", "node", "job waiting", "job refused", "attempt placed", "attempt ended", *_OVER)
_SETTLED_NS = 600 * NS_PER_S
_MOST_REMEMBERED = 4000
_NOBODY = ("", "", "")


@dataclass(slots=True)
class FleetMemory:
    """What need not be read for each question. Attributes: jobs: (user, team, run) by id; runs: what they tell."""

    jobs: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    runs: Telling = field(default_factory=Telling)

    def forget(self) -> None:
        """So that it does not grow for ever; who reads at this moment keeps what there was."""
        if len(self.jobs) > _MOST_REMEMBERED:
            self.jobs = {}


def moment_ns(connection: Connection, now_s: float) -> int:
    """When a fleet is read: now, though another server's clock may be ahead."""
    return max(int(now_s * NS_PER_S), Records(connection).newest_event_ns())


def read_fleet(
    connection: Connection,
    at_ns: int,
    since_ns: int = 0,
    names: Collection[str] = BY,
    memory: FleetMemory | None = None,
    *,
    with_leaves: bool = True,
) -> Fleet:
    """The fleet up to now, with what each attempt did, for the window that begins at `since_ns`.

    Args:
      at_ns: now, see `moment_ns`.
      names: by which the window is to be told apart, or chosen; without users and jobs it is quicker.
      memory: of earlier calls.
      with_leaves: False where it does not matter what attempts did, as for what they cost: no run is read then.
    """
    opened = _Open(Records(connection), memory or FleetMemory())
    opened.read()
    past = read_past(connection, since_ns, opened.books.seq, names)
    fleet = with_past(opened.sweep, at_ns, past)
    if with_leaves:
        opened.tell(fleet.attempts[len(past.cut) :], at_ns)
    return fleet


def close_page(database: Engine, now_s: float, memory: FleetMemory) -> bool:
    """Put what is over for good onto a page, where enough has happened for one; whether it was so.

    Runs' accounts are read outside of the transaction that writes.
    """
    with reading(database) as connection:
        records = Records(connection)
        if records.event_after(newest_page(connection), _ON_A_PAGE) is None:
            return False
        opened = _Open(records, memory)
        until = records.event_after(opened.books.seq, _ON_A_PAGE)
        if until is None:  # another server has added a page meanwhile
            return False
        opened.read(until)
        at_ns = moment_ns(connection, now_s)
        over = [attempt for attempt in opened.sweep.attempts.values() if opened.is_settled(attempt, at_ns)]
        opened.tell(over, at_ns)
    page = close(opened.sweep, over)
    left = {attempt.job for attempt in opened.sweep.attempts.values()}
    over_ns = {job: ended_ns for job, ended_ns in opened.over_ns.items() if job in left}
    summary, details = summary_of(page)
    with database.begin() as connection:
        return turn_page(connection, opened.books, Books(until, kept(opened.sweep), over_ns), page, summary, details)


class _Open:
    """What the books have not closed, and what has happened since."""

    def __init__(self, records: Records, memory: FleetMemory) -> None:
        memory.forget()
        self.records, self._jobs, self._runs = records, memory.jobs, memory.runs
        self.books = read_books(records.connection)
        self.over_ns = dict(self.books.over_ns)
        if self.books.sweep is None:
            self.sweep = Sweep()
            for pool in records.settings("pool", Pool):
                self.sweep.take(PriceEvent(0, pool.name, pool.price_per_gpu_h))
        else:
            self.sweep = restored(self.books.sweep)

    def read(self, until: int | None = None) -> None:
        """All that has happened since, or up to an event. Times that fall, as of several servers, do not."""
        after = self.books.seq
        while rows := self.records.events(kinds=_KINDS, after=after, until=until, limit=_AT_ONCE):
            self._learn(subject.rpartition(".")[0] for _, _, kind, subject, _ in rows if kind == "attempt placed")
            after = rows[-1][0]
            for _, at_ns, kind, subject, data in rows:
                for event in fleet_events(max(at_ns, self.sweep.now_ns), kind, subject, data, self._owner):
                    self.sweep.take(event)
                if kind in _OVER:
                    self.over_ns[subject] = at_ns

    def is_settled(self, attempt: Attempt, at_ns: int) -> bool:
        """Whether nothing of it can change: after another attempt, more of its work may count as done again."""
        has_ended = attempt.end_ns is not None and bool(attempt.claims)
        return has_ended and at_ns - self.over_ns.get(attempt.job, at_ns) > _SETTLED_NS

    def tell(self, attempts: Sequence[Attempt], at_ns: int) -> None:
        """What runs' accounts say of them."""
        self._learn(attempt.job for attempt in attempts)
        of_runs: dict[str, list[Attempt]] = defaultdict(list)
        for attempt in attempts:
            of_runs[self._jobs.get(attempt.job, _NOBODY)[2]].append(attempt)
        self._runs.tell(of_runs, at_ns, lambda attempt: self.is_settled(attempt, at_ns))

    def _learn(self, jobs: Iterable[str]) -> None:
        if unknown := sorted({job for job in jobs if job not in self._jobs}):
            self._jobs |= self.records.whose(unknown)

    def _owner(self, job: str) -> tuple[str, str]:
        return self._jobs.get(job, _NOBODY)[:2]
