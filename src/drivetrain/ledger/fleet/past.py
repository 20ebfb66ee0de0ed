"""Pages that were closed -> what one window has of them, summed up as far as it can be (pure).

A page is kept in three parts: sums of its curves, what was queued and what has settled, which any window needs; its
curves, for windows that begin within it; and attempts in full, for windows that begin while they ran.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import msgspec

from drivetrain.ledger.fleet.keeping import AttemptState, Page, attempt_of
from drivetrain.ledger.fleet.pool import NOTHING, Curve, Level, Stretch, Sums, together
from drivetrain.ledger.fleet.settled import Settled
from drivetrain.ledger.fleet.statement import settle
from drivetrain.ledger.fleet.sweep import Fleet, Queued, Sweep


class Summary(msgspec.Struct, frozen=True, gc=False):
    """What any window needs of a page. Attributes: sums: by pool, of the page's whole time."""

    sums: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    queue: tuple[Queued, ...]
    settled: tuple[Settled, ...]


@dataclass(frozen=True, slots=True)
class Past:
    """What was closed, of a window that begins at `since_ns` and ends after it.

    Attributes:
      summaries: of all pages that end after that.
      first: curves of the page within which the window begins, and when that page ended; None where there is none.
      cut: attempts that ran when the window began, in full.
    """

    since_ns: int
    summaries: tuple[Summary, ...]
    first: tuple[dict[str, Stretch], int] | None
    cut: tuple[AttemptState, ...]


def summary_of(page: Page) -> Summary:
    """A page as any window needs it."""
    return Summary(
        {name: curve_sums(stretch, 0, page.end_ns) for name, stretch in page.curves.items()},
        page.queue,
        tuple(settled for state in page.attempts if (settled := settle(attempt_of(state))) is not None),
    )


def curve_sums(stretch: Stretch, start_ns: int, end_ns: int) -> Sums:
    """Of a stretch of a curve that goes on to the end of a window."""
    return Curve(stretch, end_ns).between(start_ns, end_ns) if stretch.times_ns else NOTHING


def with_past(sweep: Sweep, read_at_ns: int, past: Past) -> Fleet:
    """The fleet of a sweep that goes on after all that was closed, for the window that begins at `past.since_ns`."""
    fleet = sweep.end(read_at_ns)
    before = _before(past)
    since_ns = past.since_ns
    summaries = past.summaries
    return replace(
        fleet,
        since_ns=since_ns,
        pools={
            name: Curve(Stretch(curve.times_ns, curve.levels, curve.prices), read_at_ns, before.get(name, NOTHING))
            for name, curve in fleet.pools.items()
        },
        attempts=(*(attempt_of(state) for state in past.cut), *fleet.attempts),
        settled=tuple(each for summary in summaries for each in summary.settled if each.start_ns >= since_ns),
        queue=(*(each for summary in summaries for each in summary.queue if each.end_ns > since_ns), *fleet.queue),
    )


def _before(past: Past) -> dict[str, Sums]:
    """Of each pool, what there was from the beginning of the window to the end of the last page."""
    found: dict[str, Sums] = {}
    whole: Iterable[Summary] = past.summaries
    if past.first is not None:
        curves, end_ns = past.first
        found = {name: curve_sums(stretch, past.since_ns, end_ns) for name, stretch in curves.items()}
        whole = past.summaries[1:]
    for summary in whole:
        for name, (time, money) in summary.sums.items():
            found[name] = together(found.get(name, NOTHING), (Level(*time), Level(*money)))
    return found
