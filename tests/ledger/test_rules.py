"""The rules on cases small enough to work out by hand: times are ms, one device, ranks on one host."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from drivetrain.core.errors import LedgerError
from drivetrain.ledger import Account, Event, Interval, account_of, table, timeline_json

MS = 1_000_000


def tell(*rows: tuple[Any, ...], lease: int = 10, asked: int = 1000) -> Account:
    """Rows are (time, kind, fields); rank 0 unless said otherwise."""
    events = []
    for at, kind, *fields in rows:
        values = {"rank": 0, **(fields[0] if fields else {})}
        host = values.pop("host", "a")
        wall = values.pop("wall", at)
        events.append(Event(kind, host, at * MS, wall * MS, **values))
    account = account_of(events, lease * MS, asked * MS)
    account.check()
    return account


def ms(account: Account) -> dict[str, int]:
    return {leaf: ns // MS for leaf, ns in account.leaves.items()}


BORN = ((0, "alloc"), (2, "start"))
GONE = ((50, "exit"), (50, "release"))


def step(number: int, begin: int, end: int) -> tuple[tuple[Any, ...], ...]:
    return (begin, "step_begin", {"step": number}), (end, "step_end", {"step": number})


def test_a_phase_that_closes_out_of_order_leaves_the_inner_one_open() -> None:
    opened = ((10, "begin", {"phase": "eval"}), (12, "begin", {"phase": "data_wait"}), (15, "end", {"phase": "eval"}))
    assert ms(tell(*BORN, *opened, (20, "end", {"phase": "data_wait"}), *GONE)) == {
        "eval": 2,
        "setup": 2,
        "data_wait": 8,
        "unknown": 38,
    }


def test_a_phase_open_at_exit_does_not_reach_into_the_next_process() -> None:
    account = tell(*BORN, (10, "begin", {"phase": "eval"}), (20, "exit", {"code": 1}), (30, "start"), *GONE)
    assert ms(account) == {"eval": 10, "setup": 2, "down": 10, "unknown": 28}
    assert account.num_attempts == 2


def test_a_phase_recorded_before_the_supervisor_wrote_start_counts_from_start() -> None:
    begun = (0, "begin", {"phase": "init"})
    assert ms(tell(begun, (0, "alloc"), (2, "start"), *GONE)) == {"setup": 2, "init": 48}


def test_a_name_that_is_no_phase_is_unknown_time() -> None:
    assert ms(tell(*BORN, (10, "begin", {"phase": "lunch"}), *GONE)) == {"setup": 2, "unknown": 48}


def test_ends_without_a_beginning_change_nothing() -> None:
    stray = ((10, "end", {"phase": "eval"}), (11, "step_end", {"step": 4}), (12, "skip", {"step": 4}))
    assert ms(tell(*BORN, *stray, *GONE)) == {"setup": 2, "unknown": 48}


def test_a_hang_claims_all_time_between_two_records_whatever_was_open() -> None:
    account = tell(*BORN, (10, "step_begin", {"step": 0}), (15, "hang", {"rank": None, "of_rank": 0}), *GONE)
    assert ms(account) == {"setup": 2, "hang": 40, "unknown": 8}


def test_a_hang_with_nothing_after_it_lasts_until_the_last_beat() -> None:
    beats = ((15, "hang", {"rank": None, "of_rank": 0}), (40, "beat", {"rank": None}))
    assert ms(tell(*BORN, *step(0, 10, 12), *beats)) == {"setup": 2, "hang": 28, "lost": 2, "down": 10, "unknown": 8}


def test_a_hang_of_a_running_run_lasts_until_somebody_asks() -> None:
    found = ((15, "hang", {"rank": None, "of_rank": 0}), (40, "beat", {"rank": None}))
    account = tell(*BORN, *step(0, 10, 12), *found, asked=45)
    assert account.is_running
    assert ms(account) == {"productive": 2, "setup": 2, "hang": 33, "unknown": 8}


@pytest.mark.parametrize(("asked", "is_running"), [(40, True), (50, True), (51, False)])
def test_a_run_goes_on_for_a_lease_after_the_last_beat(asked: int, is_running: bool) -> None:
    account = tell(*BORN, *step(0, 10, 12), (40, "beat", {"rank": None}), asked=asked)
    assert account.is_running is is_running
    assert account.leaves.get("lost", 0) == (0 if is_running else 2 * MS)
    assert account.allocated_ns == min(asked, 50) * MS


def test_records_after_the_last_beat_of_an_abandoned_run_are_down_time() -> None:
    account = tell(*BORN, (5, "beat", {"rank": None}), *step(0, 4, 9))
    assert ms(account) == {"setup": 2, "lost": 1, "down": 10, "unknown": 2}


def test_an_abandoned_rank_that_had_left_is_down_from_its_exit() -> None:
    assert ms(tell(*BORN, (20, "exit", {"code": 1}), (40, "beat", {"rank": None}))) == {
        "setup": 2,
        "down": 30,
        "unknown": 18,
    }


def test_without_any_beat_a_supervisor_was_last_alive_when_anybody_was() -> None:
    assert ms(tell(*BORN, *step(0, 10, 20))) == {"setup": 2, "lost": 10, "down": 10, "unknown": 8}


def test_a_step_redone_twice_is_productive_once() -> None:
    tries = [
        *(row for at in (10, 20) for row in (*step(3, at, at + 4), (at + 4, "exit", {"code": 1}), (at + 6, "start"))),
        (20, "resume", {"step": 3}),
    ]
    tries.sort(key=lambda row: row[0])
    account = tell(*BORN, *tries, (30, "resume", {"step": 3}), *step(3, 31, 35), *GONE)
    assert ms(account) == {"productive": 4, "setup": 2, "lost": 8, "down": 4, "unknown": 32}
    assert (account.num_steps_kept, account.num_steps_lost) == (1, 2)


def test_a_skipped_step_stays_so_when_redone_and_the_second_time_is_judged_for_itself() -> None:
    first = (*step(3, 10, 14), (14, "skip", {"step": 3}), (16, "resume", {"step": 3}))
    assert ms(tell(*BORN, *first, *step(3, 20, 25), *GONE)) == {
        "productive": 5,
        "setup": 2,
        "skipped": 4,
        "unknown": 39,
    }


def test_a_resume_undoes_the_steps_of_its_own_rank_alone() -> None:
    other = {"rank": 1}
    both = (
        *((0, "alloc", other), (2, "start", other)),
        *((at, kind, {**fields, **other}) for at, kind, fields in step(3, 10, 14)),
    )
    gone = ((50, "exit", other), (50, "release", other))
    account = tell(*BORN, *both, *step(3, 10, 14), (20, "resume", {"step": 0}), *GONE, *gone)
    assert account.by_rank[0]["lost"] == account.by_rank[1]["productive"] == 4 * MS


def test_a_commit_covers_what_was_done_before_it_and_not_what_was_redone_after() -> None:
    story = (*step(3, 10, 14), (15, "commit", {"rank": None, "step": 9}), (20, "resume", {"step": 3}))
    account = tell(*BORN, *story, *step(3, 21, 26), (50, "exit", {"code": 1}), (50, "release"))
    assert ms(account) == {"setup": 2, "lost": 9, "unknown": 39}


def test_steps_recorded_at_once_share_their_time_when_a_resume_undoes_some() -> None:
    block = ((10, "step_begin", {"step": 0, "count": 10}), (20, "step_end", {"step": 9}))
    account = tell(*BORN, *block, (20, "resume", {"step": 7}), *GONE)
    assert ms(account) == {"productive": 7, "setup": 2, "lost": 3, "unknown": 38}
    assert (account.num_steps_kept, account.num_steps_lost) == (7, 3)


def test_a_huge_count_costs_no_more_than_a_small_one() -> None:
    block = ((10, "step_begin", {"step": 0, "count": 10**15}), (20, "step_end", {"step": 10**15 - 1}))
    account = tell(*BORN, *block, (20, "resume", {"step": 5 * 10**14}), *GONE)
    assert ms(account) == {"productive": 5, "setup": 2, "lost": 5, "unknown": 38}


def test_devices_given_back_and_taken_again_are_not_ours_in_between() -> None:
    again = ((100, "alloc", {"devices": 3}), (104, "start"), (110, "exit"), (110, "release"))
    account = tell(*BORN, *GONE, *again)
    assert ms(account) == {"setup": 14, "unknown": 66}
    assert [(i.start_ns // MS, i.end_ns // MS, i.devices) for i in account.intervals] == [
        (0, 2, 1),
        (2, 50, 1),
        (100, 104, 3),
        (104, 110, 3),
    ]


def test_a_start_without_the_exit_before_it_ends_the_process_before_it() -> None:
    account = tell(*BORN, (10, "step_begin", {"step": 0}), (20, "start"), *GONE)
    assert ms(account) == {"setup": 2, "lost": 10, "unknown": 38}


def test_devices_that_were_never_ours_are_not_accounted_for() -> None:
    assert tell((2, "start"), *step(0, 5, 9), (20, "exit")).allocated_ns == 0


def test_waiting_in_the_queue_is_counted_apart_and_by_device() -> None:
    account = tell((0, "submit", {"rank": None}), (7, "alloc", {"devices": 4}), (8, "release"))
    assert (account.queued_ns, account.allocated_ns) == (28 * MS, 4 * MS)


def test_a_host_is_placed_by_the_measurement_that_fits_its_first_record() -> None:
    ahead = {"rank": None, "of": "b"}
    on_b = {"host": "b", "wall": 5007}
    early = (0, "clock", {**ahead, "ahead_ns": 3000 * MS})
    then = (1, "clock", {**ahead, "ahead_ns": 5000 * MS})
    late = (9, "clock", {**ahead, "ahead_ns": 9000 * MS})
    account = tell(early, then, (107, "alloc", on_b), late, (112, "release", {"host": "b", "wall": 0}))
    assert (account.start_ns, account.end_ns) == (7 * MS, 12 * MS)


def test_an_account_that_does_not_add_up_is_refused() -> None:
    account = tell(*BORN, *GONE)
    with pytest.raises(LedgerError, match="leaves sum to"):
        dataclasses.replace(account, leaves={"setup": 1}).check()
    first = account.intervals[0]
    twice = (Interval(0, 1, 0, 40 * MS, first.leaf), Interval(0, 1, 30 * MS, 40 * MS, first.leaf))
    with pytest.raises(LedgerError, match="overlap"):
        dataclasses.replace(account, intervals=twice).check()


def test_the_table_names_goodput_with_its_denominator_and_warns_of_unknown_time() -> None:
    text = table(tell(*BORN, *step(0, 10, 35), *GONE))
    assert "RG 50.0 % = productive / allocated device time (25.0 ms / 50.0 ms)" in text
    assert "warning: 46.0 % of allocated time is unknown" in text
    assert "attempts: 1 · steps kept: 1, lost: 0" in text
    assert table(tell()) == "nothing was allocated: no device time to account for"


def test_whole_milliseconds_still_sum_to_allocated_time_when_steps_recorded_at_once_share_one() -> None:
    three = ((10, "step_begin", {"step": 0, "count": 3}), (20, "step_end", {"step": 2, "count": 3}))
    skipped = (20, "skip", {"step": 1})
    found = timeline_json("t", tell(*BORN, *three, skipped, *GONE))
    assert found["leaves_ms"] == {"productive": 7, "setup": 2, "skipped": 3, "unknown": 38}
    assert found["allocated_ms"] == 50
