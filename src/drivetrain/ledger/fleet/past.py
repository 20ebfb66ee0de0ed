"""Pages that were closed -> what one window has of them, summed up as far as it can be (pure).

A page is kept in four parts: a summary by pool and team, which any window needs; one by job, for windows that tell jobs
or users apart, or begin before all on the page did; its curves, for windows that begin within it; and attempts in full,
for windows that begin while they ran. Pages are taken one after the other, so that a year takes no more memory than
what is told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace

import msgspec

from drivetrain.ledger.fleet.keeping import AttemptState, Page, attempt_of
from drivetrain.ledger.fleet.pool import NOTHING, Curve, Level, Stretch, Sums, together
from drivetrain.ledger.fleet.settled import Settled, merged
from drivetrain.ledger.fleet.statement import settle, settle_wait
from drivetrain.ledger.fleet.sweep import Fleet, Queued, Sweep

_ALWAYS = ("pool", "team")
"""What summaries tell apart."""


class Summary(msgspec.Struct, frozen=True, gc=False):
    """What any window needs of a page.

    Attributes:
      first_ns: when the first began of what is on it.
      sums: of curves by pool, over the page's whole time.
      settled: by team, each with its pools.
    """

    first_ns: int
    sums: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    settled: tuple[Settled, ...]


class Details(msgspec.Struct, frozen=True, gc=False):
    """What is on a page, one by one. Attributes: settled: attempts."""

    settled: tuple[Settled, ...]
    queue: tuple[Queued, ...]


@dataclass(slots=True)
class Past:
    """What was closed, of a window that begins at `since_ns` and ends after it.

    Attributes:
      names: by which it is told apart, or chosen.
      first: curves of the page within which the window begins, and when that page ended; None where there is none.
      cut: attempts that ran when the window began, in full.
      before: of each pool, what there was from the beginning of the window to the end of the last page.
      settled: what lies within the window.
      queue: those that waited when it began.
    """

    since_ns: int
    names: Collection[str]
    first: tuple[dict[str, Stretch], int] | None = None
    cut: tuple[AttemptState, ...] = ()
    before: dict[str, Sums] = field(default_factory=dict)
    settled: tuple[Settled, ...] = ()
    queue: list[Queued] = field(default_factory=list)

    def take(self, pages: Iterable[tuple[Summary, Callable[[], Details]]]) -> None:
        """Of all pages that end after the beginning of the window, in order."""
        self.settled = merged(self._settled(pages), self.names)

    def _settled(self, pages: Iterable[tuple[Summary, Callable[[], Details]]]) -> Iterable[Settled]:
        is_coarse = all(name in _ALWAYS for name in self.names)
        for number, (summary, details) in enumerate(pages):
            if number == 0 and self.first is not None:
                curves, end_ns = self.first
                self._add({name: curve_sums(stretch, self.since_ns, end_ns) for name, stretch in curves.items()})
            else:
                self._add({name: (Level(*time), Level(*money)) for name, (time, money) in summary.sums.items()})
            if is_coarse and summary.first_ns >= self.since_ns:
                yield from summary.settled
            else:
                yield from self._one_by_one(details())

    def _one_by_one(self, details: Details) -> Iterable[Settled]:
        yield from (each for each in details.settled if each.start_ns >= self.since_ns)
        for queued in details.queue:
            if queued.start_ns < self.since_ns < queued.end_ns:
                self.queue.append(queued)
            elif queued.start_ns >= self.since_ns and (settled := settle_wait(queued)) is not None:
                yield settled

    def _add(self, sums: dict[str, Sums]) -> None:
        for name, both in sums.items():
            self.before[name] = together(self.before.get(name, NOTHING), both)


def summary_of(page: Page) -> tuple[Summary, Details]:
    """A page as any window needs it, and as some do."""
    attempts = [settled for state in page.attempts if (settled := settle(attempt_of(state))) is not None]
    waits = [settled for queued in page.queue if (settled := settle_wait(queued)) is not None]
    all_of_it = [*attempts, *waits]
    sums: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
        name: curve_sums(stretch, 0, page.end_ns) for name, stretch in page.curves.items()
    }
    first_ns = min((each.start_ns for each in all_of_it), default=page.end_ns)
    return Summary(first_ns, sums, merged(all_of_it, _ALWAYS)), Details(tuple(attempts), page.queue)


def curve_sums(stretch: Stretch, start_ns: int, end_ns: int) -> Sums:
    """Of a stretch of a curve that goes on to the end of a window."""
    return Curve(stretch, end_ns).between(start_ns, end_ns) if stretch.times_ns else NOTHING


def with_past(sweep: Sweep, read_at_ns: int, past: Past) -> Fleet:
    """The fleet of a sweep that goes on after all that was closed, for the window that begins at `past.since_ns`."""
    fleet = sweep.end(read_at_ns)
    pools = {
        name: Curve(Stretch(curve.times_ns, curve.levels, curve.prices), read_at_ns, past.before.get(name, NOTHING))
        for name, curve in fleet.pools.items()
    }
    return replace(
        fleet,
        since_ns=past.since_ns,
        names=frozenset(past.names),
        pools=pools,
        attempts=(*(attempt_of(state) for state in past.cut), *fleet.attempts),
        settled=past.settled,
        queue=(*past.queue, *fleet.queue),
    )
