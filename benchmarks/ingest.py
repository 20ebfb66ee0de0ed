"""How fast a log becomes a data set, and in how much memory: `python -m benchmarks ingest`."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REPETITIONS = 3
TARGET = "at most 60 s a GB"
BUDGET_MIB = 256

# In a process of its own, so that what it held at most is its own too. Prints seconds, seconds of CPU, MiB of payload,
# MiB that were resident beyond those of a first frame that was read and thrown away, and frames.
PROGRAM = """
import resource, sys, time
from pathlib import Path
from drivetrain.data import labelled_frames, open_log
from drivetrain.data.pipeline import How, run
log, out, budget = sys.argv[1], sys.argv[2], int(sys.argv[3]) << 20
opened = open_log(log)
lidar = opened.lidar()
opened.cameras[0].read(0), lidar.read(0), opened.labels_of(lidar).read(0)
begun_s, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
stages = run(labelled_frames(opened, out), How(budget_bytes=budget, cache=Path(out + "-cache"))).stages
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
cpu_s = time.process_time() - begun_s
print(stages.wall_ns / 1e9, cpu_s, stages.peak_bytes / 2**20, grown / 2**10, len(opened.cameras[0]))
print(stages.bottleneck, stages.advice, sep=": ")
"""


def run() -> list[tuple[str, str, str]]:
    """Rows of (what, figure, target): a PandaSet drive, 1080p JPEG and lidar, to labelled frames of 256x144."""
    log = Path(os.environ.get("DRIVETRAIN_TEST_DATA") or Path(__file__).parents[2] / "shared/data") / "pandaset_002"
    parts = ("camera", "lidar", "lidar_parquet", "annotations")
    size_gb = sum(file.stat().st_size for part in parts for file in (log / part).rglob("*") if file.is_file()) / 1e9
    times_s, cpu_s, peaks_mib, grown_mib = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for repetition in range(REPETITIONS):
            command = [sys.executable, "-c", PROGRAM, str(log), f"{folder}/set-{repetition}", str(BUDGET_MIB)]
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
            figures, advice = done.stdout.splitlines()
            wall_s, cpu, peak, grown, num_frames = map(float, figures.split())
            times_s.append(wall_s)
            cpu_s.append(cpu)
            peaks_mib.append(peak)
            grown_mib.append(grown)
    wall_s = statistics.median(times_s)
    spread = f"{min(times_s):.1f} to {max(times_s):.1f} s for {1000 * size_gb:.0f} MB"
    return [
        ("ingest: a drive to labelled frames, hashed and flushed", f"{wall_s / size_gb:.0f} s a GB ({spread})", TARGET),
        ("ingest: CPU time of that", f"{statistics.median(cpu_s) / size_gb:.0f} s a GB", ""),
        ("ingest: camera frames", f"{num_frames / wall_s:.1f} frames a second", ""),
        ("ingest: payload under way at once", f"{max(peaks_mib):.0f} MiB of {BUDGET_MIB} MiB", "at most +10 %"),
        ("ingest: resident memory beyond one frame's", f"{max(grown_mib):.0f} MiB", "at most +10 %"),
        (f"ingest: {advice}", "", ""),
    ]
