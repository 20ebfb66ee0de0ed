"""Launchers as processes, read line by line as their ranks print."""

from __future__ import annotations

import functools
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests import warm_nursery

SCRIPT = Path(__file__).with_name("elastic_training.py")


class Training:
    """A launcher with its ranks, and the lines that they have printed; all are read as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self._errors: list[str] = []
        self._new: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._readers = [threading.Thread(target=read) for read in (self._read, self._read_errors)]
        for reader in self._readers:
            reader.start()

    def _read(self) -> None:
        for text in self.process.stdout:
            if text.endswith("}\n"):
                self._new.put(json.loads(text.partition("] ")[2]))
        self._new.put(None)

    def _read_errors(self) -> None:
        self._errors += self.process.stderr

    def until(self, **wanted: int) -> None:
        """Take what ranks print up to a line that is as wanted, its step at least so far."""
        while (line := self._new.get(timeout=60)) is not None:
            self.lines.append(line)
            if all(line.get(k, -1) >= value if k == "step" else line.get(k) == value for k, value in wanted.items()):
                return
        self.close()
        raise AssertionError(f"ended before {wanted}: {''.join(self._errors)}")

    def end(self, code: int = 0) -> str:
        """Wait for its end, with this exit code; returns what the launcher said."""
        while (line := self._new.get(timeout=60)) is not None:
            self.lines.append(line)
        self.close()
        said = "".join(self._errors)
        assert self.process.wait(timeout=30) == code, said
        return said

    def close(self) -> None:
        """Wait until there is nothing to read."""
        for reader in self._readers:
            reader.join(timeout=30)

    def wrong_samples(self, *others: Training, may_repeat: bool = False) -> dict[int, list[int]]:
        """By step, its samples where they are not those of one rank, each once; at least once, if they may repeat."""
        lines = [line for run in (self, *others) for line in run.lines]
        found = [sorted(set(each)) if may_repeat else each for each in samples_of(lines)]
        return {step: each for step, each in enumerate(found) if each != list(range(12 * step, 12 * step + 12))}


def samples_of(lines: list[dict[str, Any]]) -> list[list[int]]:
    """The positions of each step's samples, over all ranks and as often as they were used."""
    by_step: dict[int, list[int]] = {}
    for line in lines:
        if "step" in line:
            by_step.setdefault(line["step"], []).extend(line["positions"])
    return [sorted(by_step.get(step, [])) for step in range(max(by_step) + 1)]


@contextmanager
def started(*options: str, folder: Path, steps: int = 100_000, every: str = "1000step") -> Iterator[Training]:
    arguments = [str(SCRIPT), str(steps), every, str(folder)]
    command = [*warm_nursery.drivetrain(), "run", *options, "--", sys.executable, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        run = Training(process)
        try:
            yield run
        finally:
            process.terminate()
            run.close()


@pytest.fixture
def training(tmp_path: Path) -> Callable[..., AbstractContextManager[Training]]:
    """Start a launcher as a process: `training(*options, steps=, every=)`."""
    return functools.partial(started, folder=tmp_path)
