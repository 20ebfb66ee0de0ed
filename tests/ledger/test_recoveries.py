"""What a recovery's phases are, from the records of a launcher and its ranks."""

from __future__ import annotations

import dataclasses
from typing import Any

from drivetrain.ledger import Event, Recovery, recoveries

MS = 1_000_000


def event(at_ms: float, kind: str, rank: int | None = None, attempt: int = 0, **fields: Any) -> Event:
    return Event(kind, "a", int(at_ms * MS), int(at_ms * MS), rank, attempt=attempt, **fields)


def steps(rank: int, attempt: int, first: int, end: int, at_ms: float) -> list[Event]:
    """Steps of 2 ms, the last one not done."""
    found = []
    for step in range(first, end + 1):
        found.append(event(at_ms + 2 * (step - first), "step_begin", rank, attempt, step=step))
        if step < end:
            found.append(event(at_ms + 2 * (step - first) + 1, "step_end", rank, attempt, step=step))
    return found


def rejoined(rank: int, attempt: int, at_ms: float, *, stays: bool, step: int, source: str = "memory") -> list[Event]:
    """A rank in a new attempt: 5 ms to meet the others, 3 ms to restore, 2 ms to its first step, of 1 ms."""
    return [
        *([event(at_ms, "again", rank, attempt)] if stays else []),
        event(at_ms, "begin", rank, attempt, phase="init"),
        event(at_ms + 5, "end", rank, attempt, phase="init/rendezvous"),
        event(at_ms + 8, "end", rank, attempt, phase=f"restore/{source}"),
        event(at_ms + 8, "resume", rank, attempt, step=step),
        event(at_ms + 10, "step_begin", rank, attempt, step=step),
        event(at_ms + 11, "step_end", rank, attempt, step=step),
    ]


def found(*parts: list[Event]) -> tuple[Recovery, ...]:
    return recoveries(sorted((each for part in parts for each in part), key=lambda each: each.mono_ns))


def began(num_ranks: int = 2) -> list[Event]:
    return [event(0, "begin", rank, phase="init") for rank in range(num_ranks)]


def test_a_killed_rank_and_what_followed_are_named_phase_by_phase() -> None:
    (recovery,) = found(
        began(),
        steps(0, 0, 0, 7, 10),
        steps(1, 0, 0, 7, 10),
        [event(26, "exit", 1, code=-9)],
        rejoined(0, 1, 30, stays=True, step=7),
        rejoined(1, 1, 32, stays=False, step=7),
    )
    assert recovery == Recovery(
        attempt=1,
        failed=((1, -9),),
        is_hang=False,
        step=7,
        last_ns=24 * MS,
        noticed_ns=26 * MS,
        left_ns=30 * MS,
        begun_ns=32 * MS,
        met_ns=37 * MS,
        restored_ns=40 * MS,
        restored_from="memory",
        stepped_ns=43 * MS,
        num_stayed=1,
        num_redone=0,
    )
    assert recovery.duration_ns == 19 * MS


def test_steps_done_since_the_checkpoint_are_counted_as_redone() -> None:
    (recovery,) = found(
        began(),
        steps(0, 0, 0, 7, 10),
        steps(1, 0, 0, 7, 10),
        [event(26, "exit", 1, code=1), event(27, "exit", 0, code=-15)],
        rejoined(0, 1, 30, stays=False, step=5, source="checkpoint"),
        rejoined(1, 1, 30, stays=False, step=5, source="checkpoint"),
    )
    assert (recovery.restored_from, recovery.num_stayed, recovery.num_redone) == ("checkpoint", 0, 2)
    assert recovery.failed == ((1, 1), (0, -15))


def test_a_hang_is_noticed_when_it_is_recorded_and_dated_back_to_the_last_record_before() -> None:
    (recovery,) = found(
        began(),
        steps(0, 0, 0, 3, 10),
        steps(1, 0, 0, 3, 10),
        [event(500, "hang", of_rank=0), event(500, "hang", of_rank=1)],
        [event(510, "step_end", 1, step=3)],  # told to continue so that it can write down where it is
        [event(800, "exit", 1, code=-9)],
        rejoined(0, 1, 810, stays=True, step=3),
        rejoined(1, 1, 811, stays=False, step=3),
    )
    assert (recovery.is_hang, recovery.last_ns, recovery.noticed_ns) == (True, 16 * MS, 500 * MS)


def test_a_failure_during_a_recovery_is_a_recovery_of_its_own_that_came_to_no_step() -> None:
    first, second = found(
        began(),
        steps(0, 0, 0, 3, 10),
        steps(1, 0, 0, 3, 10),
        [event(18, "exit", 1, code=-9)],
        rejoined(0, 1, 20, stays=True, step=3)[:3],
        [event(21, "begin", 1, 1, phase="init"), event(26, "exit", 1, 1, code=-11)],
        rejoined(0, 2, 30, stays=True, step=3),
        rejoined(1, 2, 31, stays=False, step=3),
    )
    assert (first.failed, first.stepped_ns, first.duration_ns) == (((1, -9),), None, None)
    assert (second.failed, second.step, second.last_ns, second.stepped_ns) == (((1, -11),), None, 21 * MS, 42 * MS)


def test_a_rank_may_fail_in_an_attempt_that_another_has_not_begun_yet() -> None:
    first, second = found(
        began(),
        steps(0, 0, 0, 3, 10),
        steps(1, 0, 0, 3, 10),
        [event(18, "exit", 1, code=-9)],
        [event(20, "again", 0, 1), event(22, "exit", 0, 1, code=-9)],
        [event(24, "begin", 1, 1, phase="init")],
        rejoined(1, 2, 30, stays=True, step=3),
        rejoined(0, 2, 31, stays=False, step=3),
    )
    assert (first.failed, second.failed) == (((1, -9),), ((0, -9),))


def test_a_rank_that_failed_before_it_had_begun_an_attempt_failed_in_the_one_that_its_exit_names() -> None:
    first, second = found(
        began(),
        steps(0, 0, 0, 3, 10),
        steps(1, 0, 0, 3, 10),
        [event(18, "exit", 1, code=-9)],
        [event(20, "begin", 1, 1, phase="init"), event(22, "exit", 0, code=-9), event(26, "begin", 0, 1, phase="init")],
        [event(40, "exit", 1, 1, code=-11)],
        rejoined(0, 2, 50, stays=True, step=3),
        rejoined(1, 2, 51, stays=False, step=3),
    )
    assert (first.failed, second.failed) == (((1, -9), (0, -9)), ((1, -11),))


def test_the_failures_of_an_attempt_that_nobody_had_begun_belong_to_the_recovery_after_it() -> None:
    (recovery,) = found(
        began(),
        steps(0, 0, 0, 3, 10),
        steps(1, 0, 0, 3, 10),
        [event(18, "exit", 0, code=-9), event(20, "exit", 0, 1, code=-11)],
        rejoined(1, 2, 30, stays=True, step=3),
        rejoined(0, 2, 31, stays=False, step=3),
    )
    assert (recovery.attempt, recovery.failed) == (2, ((0, -9), (0, -11)))


def test_a_run_without_a_second_attempt_had_no_recovery() -> None:
    assert found(began(), steps(0, 0, 0, 3, 10)) == ()
    assert recoveries([]) == ()


def test_an_attempt_after_no_failure_is_told_without_one() -> None:
    (recovery,) = found(began(1), steps(0, 0, 0, 3, 10), rejoined(0, 1, 30, stays=True, step=3))
    assert dataclasses.replace(recovery, failed=()) == recovery
    assert (recovery.last_ns, recovery.noticed_ns, recovery.duration_ns) == (None, None, None)
