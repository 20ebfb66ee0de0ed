"""A run's account -> what is told of one of its attempts, small enough to be kept for ever."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter

from drivetrain.core.leaves import Leaf
from drivetrain.core.units import NS_PER_S
from drivetrain.ledger.accounting import Account, Interval
from drivetrain.ledger.fleet.events import GAP, LETTERS, RankTold, Told

MOST_STRETCHES = 20_000
_GRIDS_NS = tuple(seconds * NS_PER_S for seconds in (1, 10, 60, 600, 3600, 6 * 3600, 86400))
Stretch = tuple[int, int, Leaf]
"""From, to, and what it was."""

_PLACE = {leaf: place for place, leaf in enumerate(Leaf)}


def told_of(
    account: Account,
    job: str,
    attempt: int,
    *,
    at_ns: int,
    since_ns: int = 0,
    until_ns: int = 1 << 62,
    ahead_ns: int = 0,
    most_stretches: int = MOST_STRETCHES,
) -> Told:
    """What the account of a run says of one attempt of its job.

    Accounts of many steps are made coarser: within each second, ten seconds, minute and so on up to a day of UTC, the
    same leaves are put together. Sums over whole seconds, minutes or days stay what they were, to the nanosecond.

    Args:
      at_ns: now, on the controller's clock; what is told later counts.
      since_ns, until_ns: of the run's time, on its supervisor's clock, what is this attempt's.
      ahead_ns: by how much that clock is ahead of the controller's, as far as measured.
      most_stretches: of all ranks, beyond which they are made coarser; 64 a rank are kept in any case.
    """
    by_rank = {
        rank: _cut(intervals, since_ns, until_ns)
        for rank, intervals in groupby(account.intervals, key=attrgetter("rank"))
    }
    most = max(64, most_stretches // max(1, len(by_rank)))
    own = [interval for intervals in by_rank.values() for interval in intervals if interval.leaf is Leaf.PRODUCTIVE]
    productive_ns = sum((interval.end_ns - interval.start_ns) * interval.devices for interval in own)
    all_ns = account.leaves.get(Leaf.PRODUCTIVE, 0)
    ideal_ns = account.ideal_ns
    if ideal_ns is not None and all_ns:
        ideal_ns = ideal_ns * productive_ns // all_ns
    return Told(
        at_ns,
        job,
        attempt,
        tuple(
            rank_told(rank, max((i.devices for i in intervals), default=0), coarse(intervals, most))
            for rank, intervals in by_rank.items()
        ),
        productive_ns,
        ideal_ns,
        account.is_running and account.end_ns <= until_ns,
        ahead_ns,
    )


def rank_told(rank: int, devices: int, stretches: Iterable[Stretch]) -> RankTold:
    """What a rank's stretches say; where two overlap, the one that starts first counts."""
    spans_ns: list[int] = []
    letters: list[str] = []
    start_ns = at_ns = -1
    for from_ns, to_ns, leaf in sorted(stretches):
        if at_ns < 0:
            start_ns = at_ns = from_ns
        if from_ns > at_ns:
            spans_ns.append(from_ns - at_ns)
            letters.append(GAP)
            at_ns = from_ns
        if to_ns > at_ns:
            spans_ns.append(to_ns - at_ns)
            letters.append(LETTERS[leaf])
            at_ns = to_ns
    return RankTold(rank, devices, max(0, start_ns), tuple(spans_ns), "".join(letters))


def coarse(intervals: Sequence[Interval], most: int) -> list[Stretch]:
    """A rank's time in at most so many stretches, where a day's grid allows it; as it is where it is short enough."""
    stretches = [(i.start_ns, i.end_ns, i.leaf) for i in intervals]
    for grid_ns in _GRIDS_NS:
        if len(stretches) <= most:
            break
        stretches = list(gathered(intervals, grid_ns))
    return stretches


def _cut(intervals: Iterable[Interval], since_ns: int, until_ns: int) -> list[Interval]:
    cut = [
        i
        if since_ns <= i.start_ns and i.end_ns <= until_ns
        else Interval(i.rank, i.devices, max(i.start_ns, since_ns), min(i.end_ns, until_ns), i.leaf)
        for i in intervals
    ]
    return [interval for interval in cut if interval.start_ns < interval.end_ns]


def gathered(intervals: Sequence[Interval], grid_ns: int) -> Iterable[Stretch]:
    """Per cell of the grid each leaf once: cells in turn upwards and downwards, so that neighbours often join."""
    start_ns = end_ns = -1
    last = Leaf.UNKNOWN
    for cell, at_ns, spent_ns in _cells(intervals, grid_ns):
        for leaf in sorted(spent_ns, key=_PLACE.__getitem__, reverse=bool(cell % 2)):
            if leaf is not last or at_ns != end_ns:
                if end_ns > start_ns:
                    yield start_ns, end_ns, last
                start_ns, last = at_ns, leaf
            at_ns = end_ns = at_ns + spent_ns[leaf]
    if end_ns > start_ns:
        yield start_ns, end_ns, last


def _cells(intervals: Sequence[Interval], grid_ns: int) -> Iterable[tuple[int, int, dict[Leaf, int]]]:
    """(cell, where its time starts, time by leaf); what a gap divides comes as two."""
    spent_ns: dict[Leaf, int] = defaultdict(int)
    cell = began_ns = reached_ns = -1
    for interval in intervals:
        at_ns = interval.start_ns
        while at_ns < interval.end_ns:
            until_ns = min(interval.end_ns, (at_ns // grid_ns + 1) * grid_ns)
            if at_ns // grid_ns != cell or at_ns != reached_ns:
                if spent_ns:
                    yield cell, began_ns, spent_ns
                cell, began_ns, spent_ns = at_ns // grid_ns, at_ns, defaultdict(int)
            spent_ns[interval.leaf] += until_ns - at_ns
            at_ns = reached_ns = until_ns
    if spent_ns:
        yield cell, began_ns, spent_ns
