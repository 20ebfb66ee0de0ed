from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from drivetrain import ledger
from drivetrain.core.errors import UsageError
from drivetrain.launch import ask_for
from drivetrain.store import open_run

SCRIPT = Path(__file__).with_name("elastic_training.py")


class Training:
    """A launcher with its ranks, and the lines that they have printed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []

    def until(self, **wanted: int) -> None:
        """Read what ranks print up to a line that is as wanted, its step at least so far."""
        for text in self.process.stdout:
            line = json.loads(text.partition("] ")[2])
            self.lines.append(line)
            if all(
                line.get(key, -1) >= value if key == "step" else line.get(key) == value for key, value in wanted.items()
            ):
                return
        raise AssertionError(f"ended before {wanted}: {self.process.stderr.read()}")

    def end(self) -> str:
        """Read the rest; returns what the launcher said."""
        out, errors = self.process.communicate(timeout=60)
        self.lines += [json.loads(text.partition("] ")[2]) for text in out.splitlines()]
        assert self.process.returncode == 0, errors
        return errors

    def samples(self) -> list[list[int]]:
        """The positions of each step's samples, over all ranks and as often as they were used."""
        by_step: dict[int, list[int]] = {}
        for line in self.lines:
            if "step" in line:
                by_step.setdefault(line["step"], []).extend(line["positions"])
        return [sorted(by_step[step]) for step in range(len(by_step))]


@contextmanager
def training(*options: str, steps: int, every: str = "1000step") -> Iterator[Training]:
    command = [
        sys.executable,
        "-m",
        "drivetrain",
        "run",
        *options,
        "--",
        sys.executable,
        str(SCRIPT),
        str(steps),
        every,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Training(process)
        finally:
            process.terminate()


def of_one_rank(steps: int) -> list[list[int]]:
    return [list(range(12 * step, 12 * step + 12)) for step in range(steps)]


def test_ranks_come_and_go_at_a_step_and_no_step_is_done_twice() -> None:
    steps = 120
    with training("--ranks", "1:3", steps=steps, every="7step") as run:
        run.until(step=3)
        ask_for(open_run("latest"), 1)
        run.until(of=1)
        with pytest.raises(UsageError, match="can have 1 to 3 ranks, but was asked for 4"):
            ask_for(open_run("latest"), 4)
        ask_for(open_run("latest"), 2)
        run.until(of=2)
        said = run.end()
    assert "from 3 ranks to 1 rank, attempt 1" in said
    assert "from 1 rank to 2 ranks, attempt 2" in said
    assert run.samples() == of_one_rank(steps)
    account = ledger.account(open_run("latest"))
    account.check()
    assert "unknown" not in account.leaves
    assert "lost" not in account.leaves
    assert (account.num_steps_kept, account.num_steps_lost) == (steps, 0)
    assert set(account.by_rank) == {0, 1, 2}
    with pytest.raises(UsageError, match="is not running"):
        ask_for(open_run("latest"), 1)


def test_a_rank_that_fails_again_and_again_is_left_out() -> None:
    faults = [f"kill:rank=0,step=8,attempt={attempt}" for attempt in range(2)]
    with training("--ranks", "1:2", "--restarts", "1", "--fault", faults[0], "--fault", faults[1], steps=20) as run:
        said = run.end()
    assert "all 1 restarts are used up; from 2 ranks to 1 rank, attempt 2" in said
    assert Counter(line["of"] for line in run.lines if line.get("step", -1) >= 8) == {1: 12}
    assert run.samples() == of_one_rank(20)
    ledger.account(open_run("latest")).check()
