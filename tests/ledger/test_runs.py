from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import drivetrain as dt
from drivetrain.core import clock
from drivetrain.core.errors import UsageError
from drivetrain.ledger import Recorder, account, read_history, scalars

LEASE_NS = 30_000_000_000
S = 1_000_000_000


@dataclass
class Folder:
    journal: Path


def journal(folder: Path, name: str, rank: int | None, *rows: dict[str, Any], **header: Any) -> None:
    head = {"k": "journal", "version": 1, "run": "r", "attempt": 0, "rank": rank, "host": "a", "pid": 1}
    head |= {"lease_ns": 30 * S, "t": 0, "wall": 1000 * S} | header
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in (head, *rows)))


def at(seconds: float, kind: str, **fields: Any) -> dict[str, Any]:
    return {"k": kind, "t": int(seconds * S), **fields}


def test_a_run_recorded_by_a_launcher_and_its_ranks_is_accounted_for_while_it_goes_on(own_home: Path) -> None:
    folder = own_home / "runs" / "run-01jcz9k3m4-x7q2pa"
    began = clock.mono_ns()
    with Recorder.open(folder / "journal/launcher.jsonl", run="r", attempt=0, rank=None, lease_ns=LEASE_NS) as boss:
        boss.submit()
        boss.beat()
        for rank in range(2):
            boss.alloc(rank)
            boss.start(rank, at_ns=clock.mono_ns())
        for rank in range(2):
            path = folder / f"journal/attempt-0.rank-{rank}.jsonl"
            with Recorder.open(path, run="r", attempt=0, rank=rank, lease_ns=LEASE_NS, started_ns=began) as record:
                record.end("init")
                record.begin("data_wait")
                record.step_begin(0, end="data_wait")
                record.step_end(0, then="data_wait")
        found = dt.account(folder.name)
        found.check()
        assert found.is_running
        assert list(found.by_rank) == [0, 1]
        assert {"productive", "setup", "init", "data_wait"} <= set(found.leaves)
        for rank in range(2):
            boss.exit(rank, 0)
            boss.release(rank)
    done = account(folder)
    done.check()
    assert not done.is_running
    assert done == account(str(folder)) == account(Folder(folder / "journal"))
    assert (done.num_attempts, done.num_steps_kept, done.num_steps_lost) == (1, 1, 0)
    assert done.leaves.get("unknown", 0) < done.allocated_ns


def test_a_run_that_is_its_own_supervisor_is_in_init_from_its_process_start(tmp_path: Path) -> None:
    began = clock.mono_ns()
    path = tmp_path / "journal" / "attempt-0.rank-0.jsonl"
    with Recorder.open(path, run="r", attempt=0, rank=0, lease_ns=LEASE_NS, started_ns=began) as record:
        record.alloc(at_ns=began)
        record.start(at_ns=began)
        record.beat()
        record.exit(code=0)
        record.release()
    found = account(tmp_path)
    found.check()
    assert set(found.leaves) <= {"init", "down"}
    assert found.leaves["init"] > 0


def test_beats_of_a_rank_that_is_its_own_supervisor_do_not_hide_its_hang(tmp_path: Path) -> None:
    rows = [at(0, "alloc", rank=0), at(0, "start", rank=0), at(1, "step_begin", step=0)]
    rows += [at(second, "beat") for second in range(2, 60)]
    rows += [at(60, "hang", of_rank=0), at(70, "exit", rank=0, code=-9), at(70, "release", rank=0)]
    journal(tmp_path / "journal", "a.jsonl", 0, *rows)
    assert account(tmp_path).leaves == {"hang": 69 * S, "unknown": 1 * S}


def test_a_killed_attempt_and_the_one_after_it_are_one_account(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    boss = [at(0, "alloc", rank=0), at(0, "start", rank=0), at(10, "exit", rank=0, code=-9), at(12, "start", rank=0)]
    journal(folder, "launcher.jsonl", None, *boss, at(30, "exit", rank=0, code=0), at(30, "release", rank=0))
    steps = [row for n in range(4) for row in (at(2 * n, "step_begin", step=n), at(2 * n + 2, "step_end", step=n))]
    journal(folder, "attempt-0.rank-0.jsonl", 0, *steps, at(8, "step_begin", step=4), t=S, wall=1001 * S)
    again = [at(12, "begin", phase="init"), at(15, "resume", step=2), at(16, "step_begin", step=2, end="init")]
    journal(folder, "attempt-1.rank-0.jsonl", 0, *again, at(29, "step_end", step=9), t=13 * S, wall=5 * S, attempt=1)
    found = account(tmp_path)
    found.check()
    assert found.leaves == {"productive": 17 * S, "init": 4 * S, "lost": 6 * S, "down": 2 * S, "unknown": 1 * S}
    assert (found.num_attempts, found.start_ns, found.end_ns) == (2, 1000 * S, 1030 * S)


def test_hosts_with_other_clocks_are_placed_by_what_the_launcher_measured(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    boss = [at(0, "clock", of="b", ahead_ns=3 * S), at(0, "alloc", rank=0), at(2, "start", rank=0)]
    journal(folder, "launcher.jsonl", None, *boss, at(9, "exit", rank=0, code=0), at(9, "release", rank=0))
    there = [at(500_002, "begin", phase="init"), at(500_005, "end", phase="init")]
    journal(folder, "rank-0.jsonl", 0, *there, host="b", t=500_001 * S, wall=1004 * S)
    assert account(tmp_path).leaves == {"setup": 2 * S, "init": 3 * S, "unknown": 4 * S}


def test_metrics_of_a_later_attempt_replace_those_of_the_same_step(tmp_path: Path) -> None:
    first = [at(step, "log", step=step, values={"loss": 1.0 - step / 10, "lr": None}) for step in range(4)]
    journal(tmp_path / "journal", "attempt-0.rank-0.jsonl", 0, *first)
    later = [at(20 + step, "log", step=step, values={"loss": 0.1}) for step in (2, 3, 4)]
    journal(tmp_path / "journal", "attempt-1.rank-0.jsonl", 0, *later, attempt=1)
    found = scalars(read_history(tmp_path).events)
    assert found["loss"] == [
        (0, 1000 * S, 1.0),
        (1, 1001 * S, 0.9),
        (2, 1022 * S, 0.1),
        (3, 1023 * S, 0.1),
        (4, 1024 * S, 0.1),
    ]
    assert all(math.isnan(value) for _, _, value in found["lr"])


def test_a_run_without_records_accounts_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    assert account(tmp_path).allocated_ns == 0
    assert scalars(read_history(tmp_path).events) == {}
    assert read_history(tmp_path).num_unreadable == 0


@pytest.mark.parametrize("name", ["run-01jcz9k3m4-x7q2pa", "../etc", "nothing", ""])
def test_a_run_that_is_not_there_is_a_usage_error_that_names_it(name: str) -> None:
    with pytest.raises(UsageError, match="there is no run"):
        account(name)
