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

NUM_SAMPLES = 1
NUM_CORES = 0
LIMIT_S = 900
HIGHER_IS_BETTER = {"mean_iou"}
LOOK_EVERY_S = 0.25
REAL_DRIVE = Path(os.environ.get("DRIVETRAIN_TEST_DATA") or Path(__file__).parents[2] / "shared/data") / "pandaset_002"


def bench_demo(drive=("synthetic", "pandaset_002")) -> dict[str, float]:
    """Seconds, and bytes as proportional set size, so that pages shared by forked ranks count once."""
    assert drive == "synthetic" or REAL_DRIVE.is_dir(), f"no real inputs at {REAL_DRIVE}"
    options = [] if drive == "synthetic" else ["--log", str(REAL_DRIVE)]
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
    assert score, f"the demo failed with exit code {process.returncode}"
    return {"took_s": elapsed_s, "held_bytes": peak_bytes, "mean_iou": float(score[1])}


def _held_bytes(process: psutil.Process) -> int:
    held = 0
    with suppress(psutil.Error):
        for one in [process, *process.children(recursive=True)]:
            with suppress(psutil.Error):
                held += one.memory_full_info().pss
    return held
