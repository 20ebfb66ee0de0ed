"""What was told of an attempt goes on until it is told anew, and every nanosecond stays in one leaf."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.core.units import NS_PER_S
from drivetrain.ledger.fleet import Alloc, FleetEvent, NodeEvent, RankTold, Told, fleet_of, statement, told_at

MINUTE = 60 * NS_PER_S
stretches = st.lists(st.tuples(st.integers(1, 3 * MINUTE), st.sampled_from("pdlwx.")), min_size=1, max_size=12)


def told_of_ranks(drawn: list[list[tuple[int, str]]], at: int) -> Told:
    """All ranks are told of up to the same moment."""
    ranks = []
    for number, own in enumerate(drawn):
        spans, leaves = zip(*own, strict=True)
        ranks.append(RankTold(number, 1, at - sum(spans), spans, "".join(leaves)))
    return Told(at, "j", 0, tuple(ranks), is_running=True)


def end(rank: RankTold) -> int:
    return rank.start_ns + sum(rank.spans_ns)


@given(st.lists(stretches, min_size=1, max_size=3), st.integers(1, 20 * MINUTE), st.data())
def test_time_since_is_added_to_the_nanosecond_and_any_two_windows_sum_to_one(
    drawn: list[list[tuple[int, str]]], more: int, data: st.DataObject
) -> None:
    told = told_of_ranks(drawn, 100 * MINUTE)
    now = told.t + more
    later = told_at(told, now)
    assert all(end(rank) == now for rank in later.ranks)
    for before, after in zip(told.ranks, later.ranks, strict=True):
        assert after.spans_ns[: len(before.spans_ns)] == before.spans_ns
        assert after.leaves.startswith(before.leaves)
        assert set(after.leaves) == set(before.leaves)
    start = min(rank.start_ns for rank in told.ranks)
    devices = tuple((number, 1000) for number in range(len(drawn)))
    events: list[FleetEvent] = [NodeEvent(0, "n", "p", "up", len(drawn)), Alloc(start, "j", 0, "n", devices), later]
    fleet, cut = fleet_of(events, now), data.draw(st.integers(start, now))
    whole = statement(fleet, start, now)
    whole.check()
    halves = [statement(fleet, start, cut).whole.leaves, statement(fleet, cut, now).whole.leaves]
    assert {leaf: sum(half.get(leaf, 0) for half in halves) for leaf in whole.whole.leaves} == whole.whole.leaves


@given(st.lists(stretches, min_size=1, max_size=3), st.integers(1, 20 * MINUTE))
def test_for_an_earlier_moment_what_was_told_later_is_cut(drawn: list[list[tuple[int, str]]], more: int) -> None:
    told = told_of_ranks(drawn, 100 * MINUTE)
    assert told_at(told_at(told, told.t + more), told.t) == told


def test_a_run_that_trains_goes_on_training_and_one_that_is_down_is_down() -> None:
    step, wait = 900_000_000, 100_000_000
    trains = [(5 * MINUTE, "i"), *[(wait, "d"), (step, "p")] * 600]
    is_down = [(10 * MINUTE, "p"), (5 * MINUTE, "x")]
    told = told_of_ranks([trains, is_down], 100 * MINUTE)
    later = told_at(told, told.t + 5 * MINUTE)
    added = list(zip(later.ranks[0].spans_ns, later.ranks[0].leaves, strict=True))[len(trains) :]
    assert {letter: sum(span for span, other in added if other == letter) for letter in "pdi"} == {
        "p": 300 * step,
        "d": 300 * wait,
        "i": 0,
    }
    assert later.ranks[1].leaves.strip("x") == "p"


def test_ranks_that_had_left_and_runs_that_are_over_stay_as_they_were() -> None:
    told = told_of_ranks([[(MINUTE, "p")], [(MINUTE, "p")]], 100 * MINUTE)
    short = msgspec.structs.replace(told.ranks[1], spans_ns=(MINUTE // 2,))
    left = msgspec.structs.replace(told, ranks=(told.ranks[0], short))
    assert told_at(left, left.t + MINUTE).ranks[1] == left.ranks[1]
    over = Told(told.t, "j", 0, told.ranks)
    assert told_at(over, told.t + MINUTE) == over
