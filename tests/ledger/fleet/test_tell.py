"""From a run's account to what is told of an attempt."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.core.leaves import Leaf
from drivetrain.core.units import NS_PER_S
from drivetrain.ledger import Account, Interval, account_of_timeline, read_timeline
from drivetrain.ledger.fleet import Alloc, FleetEvent, Free, NodeEvent, RankTold, fleet_of, statement, told_of
from drivetrain.ledger.fleet.tell import coarse, gathered

pieces = st.lists(
    st.tuples(st.integers(0, 40 * NS_PER_S), st.integers(1, 9 * NS_PER_S), st.sampled_from(list(Leaf))), max_size=30
)


def in_a_row(drawn: list[tuple[int, int, Leaf]], *, since: int = 0) -> list[Interval]:
    """Intervals one after the other; every third after a gap."""
    found, at = [], since
    for index, (gap, span, leaf) in enumerate(drawn):
        at += gap if index % 3 == 0 else 0
        found.append(Interval(0, 1, at, at + span, leaf))
        at += span
    return found


def spent(stretches: Iterable[tuple[int, int, Leaf]], start: int, end: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for since, until, leaf in stretches:
        span = min(end, until) - max(start, since)
        if span > 0:
            found[leaf] = found.get(leaf, 0) + span
    return found


@given(pieces, st.integers(1, 12))
def test_a_coarser_account_has_the_same_sums_and_never_overlaps(drawn: list[tuple[int, int, Leaf]], most: int) -> None:
    intervals = in_a_row(drawn)
    fine, found = coarse(intervals, 1 << 30), coarse(intervals, most)
    assert all(one[1] <= other[0] for one, other in pairwise(found))
    assert spent(found, 0, 1 << 62) == spent(fine, 0, 1 << 62)


@given(pieces, st.sampled_from((1, 10, 60)))
def test_over_whole_cells_a_coarser_account_says_the_same(drawn: list[tuple[int, int, Leaf]], grid_s: int) -> None:
    intervals, grid = in_a_row(drawn), grid_s * NS_PER_S
    fine, found = coarse(intervals, 1 << 30), list(gathered(intervals, grid))
    for cell in range(40):
        assert spent(found, cell * grid, (cell + 1) * grid) == spent(fine, cell * grid, (cell + 1) * grid)


def test_a_run_of_many_steps_is_told_in_a_few_thousand_stretches() -> None:
    step, wait = 90_000_000, 10_000_000
    drawn = [(0, span, leaf) for _ in range(20_000) for span, leaf in ((wait, Leaf.DATA_WAIT), (step, Leaf.PRODUCTIVE))]
    found = coarse(in_a_row(drawn), 2000)
    assert len(found) <= 2000
    assert spent(found, 0, 1 << 62) == {"data_wait": 20_000 * wait, "productive": 20_000 * step}
    assert spent(found, 60 * NS_PER_S, 120 * NS_PER_S) == {"data_wait": 6 * NS_PER_S, "productive": 54 * NS_PER_S}


def allocations(account: Account) -> list[FleetEvent]:
    """Each rank on a node of its own, for as long as its account says."""
    events: list[FleetEvent] = []
    for rank, intervals in groupby(account.intervals, key=lambda interval: interval.rank):
        own = list(intervals)
        node, devices = f"n{rank}", max(interval.devices for interval in own)
        events.append(NodeEvent(0, node, "p", "up", devices))
        whole = tuple((device, 1000) for device in range(devices))
        events.append(Alloc(own[0].start_ns, "j", 0, node, whole, ranks=(rank,)))
        events.append(Free(own[-1].end_ns, "j", 0, node))
    return events


def test_a_fleet_of_one_run_says_what_the_runs_own_account_says(shared_data: Path) -> None:
    num_compared = 0
    for path in sorted((shared_data / "ledger_timelines").glob("*.jsonl")):
        account = account_of_timeline(read_timeline(path))
        if any(len({i.devices for i in own}) > 1 for _, own in groupby(account.intervals, key=lambda i: i.rank)):
            continue
        read_at = account.end_ns + 10
        events = [*allocations(account), told_of(account, "j", 0, at_ns=read_at)]
        found = statement(fleet_of(events, read_at), 0, read_at)
        found.check()
        held = {leaf: milli // 1000 for leaf, milli in found.whole.leaves.items() if leaf in list(Leaf)}
        assert held == dict(account.leaves), path.name
        num_compared += 1
    assert num_compared > 20


def test_a_run_of_two_attempts_is_told_attempt_by_attempt_and_its_ideal_time_with_it() -> None:
    intervals = (
        Interval(0, 2, 0, 40, Leaf.PRODUCTIVE),
        Interval(0, 2, 40, 60, Leaf.LOST),
        Interval(0, 2, 100, 180, Leaf.PRODUCTIVE),
    )
    leaves = {"productive": 240, "lost": 40}
    account = Account(leaves, 280, 0, {0: leaves}, intervals, 0, 180, 2, 12, 2, is_running=True, ideal_ns=60)
    first = told_of(account, "j", 0, at_ns=200, until_ns=90)
    second = told_of(account, "j", 1, at_ns=200, since_ns=90)
    assert first.ranks == (RankTold(0, 2, 0, (40, 20), "pl"),)
    assert (first.productive_ns, first.ideal_ns, first.is_running) == (80, 20, False)
    assert (second.productive_ns, second.ideal_ns, second.is_running) == (160, 40, True)


@pytest.mark.parametrize("num_ranks", [0, 1000])
def test_no_account_and_one_of_many_ranks_are_told_too(num_ranks: int) -> None:
    intervals = tuple(Interval(rank, 1, at, at + 1, leaf) for rank in range(num_ranks) for at, leaf in enumerate(Leaf))
    account = Account({}, 0, 0, {}, intervals, 0, 0, 0, 0, 0, is_running=False)
    assert len(told_of(account, "j", 0, at_ns=1).ranks) == num_ranks
