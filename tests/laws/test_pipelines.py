"""Pipelines: killed anywhere and run again = never stopped, to the same bytes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

# Makes a data set, saying on stdout how many items are through, so that it can be killed at a chosen one.
PROGRAM = """
import sys
from dataclasses import dataclass
from pathlib import Path
import numpy as np
from drivetrain.data.ops.encode import Encode
from drivetrain.data.pipeline import How, Item, Op, Opened, Shards, Source, run

@dataclass(frozen=True)
class Numbers(Source):
    n: int

    def open(self):
        items = [Item(f"n{i}", i, {"x": np.full(100 + i % 7, i)}, {"n": i}) for i in range(self.n)]
        return Opened("numbers", items, lambda: str(self.n), "1")

@dataclass(frozen=True)
class Square(Op):
    def __call__(self, item):
        if item.number % 50 == 7:
            raise ValueError("unlucky")
        return item.with_parts(x=item.read("x") ** 2)

out, threads = sys.argv[1:]
pipeline = Numbers(400) | Square() | Encode(("x.npy",)) | Shards(out)
how = How(threads=int(threads), cache=Path("cache"))
run(pipeline, how, on_progress=lambda done, note: print(done, flush=True))
"""


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def make(folder: Path, out: str, *, threads: int, kill_at: int = -1) -> int:
    """Exit code of a process that makes the data set; killed when so many items are through."""
    command = [sys.executable, str(folder / "program.py"), out, str(threads)]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == kill_at:
                os.kill(process.pid, signal.SIGKILL)
        return process.wait(60)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_killed_anywhere_and_run_again_gives_the_same_bytes(tmp_path: Path, seed: int) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    assert make(tmp_path, "whole", threads=1) == 0
    (tmp_path / "cache").rename(tmp_path / "other")
    chance = random.Random(seed)
    for _ in range(2):
        assert make(tmp_path, "out", threads=chance.randint(1, 3), kill_at=chance.randint(1, 390)) == -signal.SIGKILL
        assert not (tmp_path / "out").exists()
    assert make(tmp_path, "out", threads=2) == 0
    assert files(tmp_path / "out") == files(tmp_path / "whole")
    assert not list(tmp_path.rglob("*.incomplete"))
