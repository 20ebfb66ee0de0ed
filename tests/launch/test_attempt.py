"""An attempt as its launcher sees it: when it is over, whose fault its end is, and who is told what."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from drivetrain.launch.attempt import Attempt
from drivetrain.launch.watch import Watch
from drivetrain.store import create_run

MS = 1_000_000


@pytest.fixture
def attempt(own_home: Path) -> Attempt:
    """Of three ranks, with a grace of a second; nothing has ended."""
    run = create_run(["train.py"], 3)
    return Attempt(0, 3, grace_ns=1000 * MS, watch=Watch(run, attempt=0, num_ranks=3))


def test_an_attempt_whose_ranks_all_end_well_has_not_failed(attempt: Attempt) -> None:
    for rank in range(3):
        assert not attempt.is_over
        attempt.end(rank, 0, rank * MS, ())
    assert attempt.is_over
    assert attempt.has_ended_well
    assert attempt.judge() is None


def test_a_rank_taken_to_hang_is_the_cause_when_it_was_killed(attempt: Attempt) -> None:
    attempt.hang(1, 500 * MS)
    attempt.end(0, 1, 10 * MS, ("connection reset",))
    attempt.end(1, -signal.SIGKILL, 12 * MS, ())
    assert attempt.has_settled(12 * MS)
    failure = attempt.judge()
    assert failure is not None
    assert failure.first.rank == 1


def test_a_rank_taken_to_hang_that_comes_to_its_end_before_it_is_killed_has_not_failed(attempt: Attempt) -> None:
    attempt.hang(1, 500 * MS)
    for rank in range(3):
        attempt.end(rank, 0, rank * MS, ())
    assert not attempt.has_settled(10_000 * MS)
    assert attempt.judge() is None


def test_deaths_near_each_other_are_one_failure_and_the_rest_is_told_to_end_and_killed_after_the_grace(
    attempt: Attempt,
) -> None:
    attempt.end(2, -signal.SIGSEGV, 100 * MS, ())
    assert not attempt.has_settled(105 * MS)
    assert attempt.has_settled(115 * MS)
    attempt.conclude(attempt.judge(), [0])
    assert attempt.due(120 * MS) == (signal.SIGTERM, [1])
    assert attempt.due(130 * MS) is None
    assert attempt.next_due_ns == 1120 * MS
    assert attempt.due(1120 * MS) == (signal.SIGKILL, [1])
    attempt.end(1, -signal.SIGKILL, 1130 * MS, ())
    assert attempt.is_over, "rank 0 stays for the next one"
