"""What an attempt's own account says, laid over what it held."""

from __future__ import annotations

import pytest

from drivetrain.core.leaves import Leaf
from drivetrain.ledger.fleet import Alloc, FleetEvent, Free, NodeEvent, RankTold, Told, fleet_of, rank_told, statement
from drivetrain.ledger.fleet.explain import divided, explained


def leaves(*events: FleetEvent, end: int = 100, read_at: int = 100) -> dict[str, int]:
    """Device-ns of one whole device, up from 0, held from 10 to 90."""
    held = [NodeEvent(0, "n", "p", "up", 1), Alloc(10, "j", 0, "n", ((0, 1000),)), Free(90, "j", 0)]
    found = statement(fleet_of([*held, *events], read_at), 0, end)
    found.check()
    return {leaf: milli // 1000 for leaf, milli in found.whole.leaves.items() if leaf != "idle"}


def told(*stretches: tuple[int, int, str], is_running: bool = False, ahead: int = 0) -> Told:
    ranks = (rank_told(0, 1, [(start, end, Leaf(leaf)) for start, end, leaf in stretches]),)
    return Told(95, "j", 0, ranks, is_running=is_running, ahead_ns=ahead)


def test_before_the_first_record_it_is_setup_between_two_unknown_and_after_the_last_teardown() -> None:
    found = leaves(told((20, 30, "init"), (35, 80, "productive")))
    assert found == {"setup": 10, "init": 10, "unknown": 5, "productive": 45, "teardown": 10}


def test_what_was_still_to_be_told_when_it_ended_is_unknown() -> None:
    assert leaves(told((10, 70, "productive"), is_running=True)) == {"productive": 60, "unknown": 20}


def test_who_was_down_when_last_heard_of_stays_down() -> None:
    assert leaves(told((10, 70, "productive"), (70, 75, "down"))) == {"productive": 60, "down": 20}


@pytest.mark.parametrize("off", [-9, 9])
def test_an_account_that_sticks_out_is_moved_to_where_its_clock_must_have_been(off: int) -> None:
    assert leaves(told((10 + off, 20 + off, "init"), (20 + off, 90 + off, "productive"))) == {
        "init": 10,
        "productive": 70,
    }


def test_a_measured_difference_of_clocks_is_taken_off() -> None:
    assert leaves(told((25, 85, "productive"), ahead=5)) == {"setup": 10, "productive": 60, "teardown": 10}


def test_an_account_that_is_longer_than_the_allocation_is_cut() -> None:
    assert leaves(told((0, 50, "init"), (50, 100, "productive"))) == {"init": 40, "productive": 40}


def test_an_attempt_that_said_nothing_is_in_setup_for_ten_minutes_and_unknown_once_it_ended() -> None:
    assert leaves() == {"unknown": 80}
    assert leaves(end=60, read_at=60) == {"setup": 50}
    silent = [NodeEvent(0, "n", "p", "up", 1), Alloc(0, "j", 0, "n", ((0, 1000),))]
    minute = 60 * 10**9
    found = statement(fleet_of(silent, 25 * minute), 0, 25 * minute).whole
    assert {leaf: milli // 1000 // minute for leaf, milli in found.leaves.items()} == {"setup": 10, "unknown": 15}


def test_what_nobody_explains_while_the_node_does_not_answer_is_down() -> None:
    down = NodeEvent(60, "n", "p", "down", 1)
    assert leaves(told((10, 70, "productive"), is_running=True), down, end=90) == {"productive": 60, "down": 20}
    assert leaves(down) == {"unknown": 50, "down": 30, "broken": 10}


def test_a_leaf_that_nobody_knows_is_unknown() -> None:
    assert leaves(Told(95, "j", 0, (RankTold(0, 1, 10, (30, 50), "?p"),))) == {"unknown": 30, "productive": 50}


def test_the_last_that_is_told_counts() -> None:
    late = Told(99, "j", 0, (rank_told(0, 1, [(10, 90, Leaf("lost"))]),))
    assert leaves(told((10, 90, "productive")), late) == {"lost": 80}


def test_a_node_is_divided_among_its_ranks_by_their_devices_to_the_last_milli() -> None:
    events = [
        NodeEvent(0, "n", "p", "up", 1),
        Alloc(0, "j", 0, "n", ((0, 500),)),
        Told(
            5,
            "j",
            0,
            tuple(rank_told(rank, 1, [(0, 10, Leaf(leaf))]) for rank, leaf in enumerate(("init", "eval", "lost"))),
        ),
    ]
    whole = statement(fleet_of(events, 10), 0, 10).whole
    assert dict(whole.leaves) == {"eval": 1670, "init": 1660, "lost": 1670, "idle": 5000}
    assert divided(10, [0, 0, 0]) == [3, 3, 4]


def test_ranks_that_an_allocation_names_explain_it_and_no_other() -> None:
    events = [
        NodeEvent(0, "n", "p", "up", 1),
        NodeEvent(0, "m", "q", "up", 1),
        Alloc(0, "j", 0, "n", ((0, 1000),), ranks=(0,)),
        Alloc(0, "j", 0, "m", ((0, 1000),), ranks=(1,)),
        Told(5, "j", 0, (rank_told(0, 1, [(0, 10, Leaf("init"))]), rank_told(1, 1, [(0, 10, Leaf("productive"))]))),
    ]
    rows = statement(fleet_of(events, 10), 0, 10, by=["pool"]).rows
    assert [dict(rows[name,].leaves) for name in "pq"] == [{"init": 10000}, {"productive": 10000}]


def test_by_how_much_an_account_was_moved_is_said() -> None:
    events = [NodeEvent(0, "n", "p", "up", 1), Alloc(10, "j", 0, "n", ((0, 1000),)), told((4, 50, "init"))]
    assert explained(fleet_of(events, 100).attempts[0], 100).moved_ns == 6
