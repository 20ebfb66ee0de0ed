"""Restarts in place are known from supervisors' journals alone: ranks need record nothing."""

from __future__ import annotations

from pathlib import Path

from drivetrain.ledger import Recorder, Restart, read_restarts
from drivetrain.store import RunFolder


def supervisor(path: Path, attempt: int = 0) -> Recorder:
    return Recorder.open(path, run="run-x", attempt=attempt, rank=None, lease_ns=30)


def told(restarts: tuple[Restart, ...]) -> list[tuple[int, str]]:
    return [(restart.attempt, restart.words) for restart in restarts]


def test_the_first_rank_to_fail_is_why_all_were_started_again(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    with supervisor(run.journal / "launcher.jsonl") as record:
        for rank in (0, 1):
            record.start(rank)
        record.beat()
        record.exit(1, -9, attempt=0)
        record.exit(0, -15, attempt=0)
        for rank in (0, 1):
            record.start(rank)
        record.hang(0)
        record.exit(0, -9, attempt=1)
        record.start(0)
        record.exit(0, 3, attempt=2)
        record.exit(1, 0, attempt=2)
    restarts = read_restarts(run)
    assert told(restarts) == [(1, "rank 1 was killed by SIGKILL"), (2, "rank 0 made no progress")]
    assert restarts[0].at_ns <= restarts[1].at_ns


def test_a_launcher_that_follows_another_is_no_restart_in_place(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for attempt in (0, 1):
        with supervisor(run.journal / "launcher.jsonl", attempt) as record:
            record.start(0)
            record.exit(0, -15, attempt=attempt)
    assert read_restarts(run) == ()


def test_of_several_nodes_the_one_that_saw_the_failure_tells(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    with supervisor(run.journal / "launcher.jsonl") as here, supervisor(run.journal / "launcher.node-1.jsonl") as there:
        here.start(0)
        there.start(1)
        there.exit(1, -11, attempt=0)
        there.start(1)
        here.exit(0, 0, attempt=1)
        there.exit(1, 0, attempt=1)
    assert told(read_restarts(run)) == [(1, "rank 1 was killed by SIGSEGV")]
