"""The whole demo after set-up: wall time, and the most memory that all its processes held at once."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

LOOK_EVERY_S = 0.25
REAL_DRIVE = Path(os.environ.get("DRIVETRAIN_TEST_DATA") or "../shared/data") / "pandaset_002"


def run() -> list[tuple[str, str, str]]:
    """Seconds and GiB (proportional set size, so that pages shared by forked ranks count once)."""
    rows = _measured("synthetic drive", [], "at most 90 s and 3 GiB")
    if REAL_DRIVE.is_dir():
        return rows + _measured("PandaSet 002", ["--log", str(REAL_DRIVE)], "at most 150 s and 3 GiB, mean IoU 0.50")
    return [*rows, ("demo, PandaSet 002", "not measured: no real inputs here", "")]


def _measured(name: str, options: list[str], target: str) -> list[tuple[str, str, str]]:
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryFile("w+") as printed:
        start = time.perf_counter()
        command = [sys.executable, "-m", "drivetrain", "demo", *options]
        process = psutil.Popen(command, env={**os.environ, "DRIVETRAIN_HOME": home}, stdout=printed, stderr=printed)
        peak_bytes = 0
        while process.poll() is None:
            peak_bytes = max(peak_bytes, _held_bytes(process))
            with suppress(psutil.TimeoutExpired):
                process.wait(LOOK_EVERY_S)
        elapsed_s = time.perf_counter() - start
        printed.seek(0)
        score = re.search(r"mean IoU, held out +([0-9.]+)", printed.read())
    outcome = f"mean IoU {score[1]}" if score else f"failed with {process.returncode}"
    return [(f"demo, {name}", f"{elapsed_s:.0f} s, {peak_bytes / 2**30:.2f} GiB, {outcome}", target)]


def _held_bytes(process: psutil.Process) -> int:
    held = 0
    with suppress(psutil.Error):
        for one in [process, *process.children(recursive=True)]:
            with suppress(psutil.Error):
                held += one.memory_full_info().pss
    return held


if __name__ == "__main__":
    for row in run():
        print(*row, sep="  ")
