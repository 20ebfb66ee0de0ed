"""How fast a log becomes a data set, and in how much memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

NUM_SAMPLES = 3
NUM_CORES = 0
LIMIT_S = 600
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


def bench_drive() -> dict[str, float]:
    """A PandaSet drive, 1080p JPEG and lidar, to labelled frames of 256x144, hashed and flushed."""
    log = Path(os.environ.get("DRIVETRAIN_TEST_DATA") or Path(__file__).parents[2] / "shared/data") / "pandaset_002"
    parts = ("camera", "lidar", "lidar_parquet", "annotations")
    size_gb = sum(file.stat().st_size for part in parts for file in (log / part).rglob("*") if file.is_file()) / 1e9
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", PROGRAM, str(log), f"{folder}/set", str(BUDGET_MIB)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    figures, advice = done.stdout.splitlines()
    print(advice)
    wall_s, cpu_s, peak_mib, grown_mib, num_frames = map(float, figures.split())
    return {
        "took_s": wall_s,
        "for_a_gb_s": wall_s / size_gb,
        "cpu_for_a_gb_s": cpu_s / size_gb,
        "frames_per_s": num_frames / wall_s,
        "under_way_bytes": peak_mib * 2**20,
        "grown_bytes": grown_mib * 2**20,
    }
