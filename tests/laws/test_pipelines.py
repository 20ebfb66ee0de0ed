"""Pipelines: killed anywhere and run again = never stopped; any number and kind of workers = one thread."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from drivetrain.data import build_dataset

STREET = "duration_s = 6.0\nwidth = 48\nheight = 27\ncamera_hz = 20.0\nlidar_hz = 5.0\n"
# Makes the data set, saying on stdout how many frames are through, so that it can be killed at a chosen one.
PROGRAM = """
import sys
from pathlib import Path
from drivetrain.data import labelled_frames
from drivetrain.data.pipeline import How, run
street, out, cache, threads = sys.argv[1:]
pipeline = labelled_frames(street, out, size=(24, 14))
run(pipeline, How(threads=int(threads), cache=Path(cache)), on_progress=lambda done, note: print(done, flush=True))
"""


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def make(folder: Path, *, threads: int, kill_at: int = -1) -> int:
    """Exit code of a process that makes the data set; killed when so many frames are through."""
    command = [sys.executable, "-c", PROGRAM, "street.toml", "out", "cache", str(threads)]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == kill_at:
                os.kill(process.pid, signal.SIGKILL)
        return process.wait(60)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_killed_anywhere_and_run_again_gives_the_same_bytes(tmp_path: Path, seed: int) -> None:
    (tmp_path / "street.toml").write_text(STREET)
    whole = build_dataset(tmp_path / "street.toml", tmp_path / "whole", size=(24, 14))
    chance = random.Random(seed)
    for _ in range(2):
        assert make(tmp_path, threads=chance.randint(1, 3), kill_at=chance.randint(1, 110)) == -signal.SIGKILL
        assert not (tmp_path / "out").exists()
    assert make(tmp_path, threads=2) == 0
    assert files(tmp_path / "out") == files(whole.path)
    assert not list(tmp_path.rglob("*.incomplete"))
