"""Launchers as processes, read line by line as their ranks print."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

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

    def read_rest(self) -> None:
        """Read what ranks printed until there were none."""
        for text in self.process.stdout:
            if text.endswith("}\n"):
                self.lines.append(json.loads(text.partition("] ")[2]))

    def wrong_samples(self, *others: Training, may_repeat: bool = False) -> dict[int, list[int]]:
        """By step, its samples where they are not those of one rank, each once; at least once, if they may repeat."""
        whole = Training(self.process)
        whole.lines = [line for run in (self, *others) for line in run.lines]
        found = [sorted(set(each)) if may_repeat else each for each in whole.samples()]
        return {step: each for step, each in enumerate(found) if each != list(range(12 * step, 12 * step + 12))}

    def samples(self) -> list[list[int]]:
        """The positions of each step's samples, over all ranks and as often as they were used."""
        by_step: dict[int, list[int]] = {}
        for line in self.lines:
            if "step" in line:
                by_step.setdefault(line["step"], []).extend(line["positions"])
        return [sorted(by_step[step]) for step in range(len(by_step))]


@contextmanager
def started(*options: str, folder: Path, steps: int = 100_000, every: str = "1000step") -> Iterator[Training]:
    arguments = [str(SCRIPT), str(steps), every, str(folder)]
    command = [sys.executable, "-m", "drivetrain", "run", *options, "--", sys.executable, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Training(process)
        finally:
            process.terminate()


@pytest.fixture
def training(tmp_path: Path) -> Callable[..., AbstractContextManager[Training]]:
    """Start a launcher as a process: `training(*options, steps=, every=)`."""
    return functools.partial(started, folder=tmp_path)
