"""PandaSet's 1080p JPEGs, decoded, resized to 960x540 and batched: ours beside the ceiling and beside other loaders.

Each way in a process of its own (`loader_ways.py`), in turns, so that what else the machine does hits all of them. The
ceiling is codec and resize alone in threads on all cores. Where workers are processes, the number of them that was best
in the first turn counts. The peers need `.venv-peers`; one that does not run is told so.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.loader_ways import PREPARE, WAYS, prepare

NUM_SAMPLES = 5
NUM_CORES = 0
LIMIT_S = 900
ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("DRIVETRAIN_TEST_DATA") or ROOT.parent / "shared" / "data") / "pandaset_002"
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
SCRIPT = Path(__file__).with_name("loader_ways.py")
CORES = len(os.sched_getaffinity(0))
PROCESSES = (CORES, 2 * CORES, 1)
"""Numbers of worker processes that are tried."""
IN_THREADS = ("ceiling", "ours", "ours_scaled", "spdl")


def bench_images(way=tuple(WAYS)) -> dict[str, float]:
    """Images a second. What a way reads, and its best number of workers, stay in the session's folder."""
    folder, best = Path("inputs"), Path(f"{way}.workers")
    if not folder.exists():
        prepare(folder, sorted((DATA / "camera" / "front_camera").glob("*.jpg")))
    python = str(PEERS_PYTHON) if way in (*PREPARE, "spdl") else sys.executable
    if best.exists():
        return {"images_per_s": _measure(python, way, folder, int(best.read_text()))}
    if way in PREPARE:
        _run([python, str(SCRIPT), f"prepare-{way}", str(folder)])
    tried = (CORES,) if way in IN_THREADS else PROCESSES
    rate, workers = max((_measure(python, way, folder, number), number) for number in tried)
    best.write_text(str(workers))
    return {"images_per_s": rate}


def _measure(python: str, way: str, folder: Path, workers: int) -> float:
    printed = _run([python, str(SCRIPT), way, str(folder), str(workers)])
    found = re.search(r"images_per_s ([0-9.]+)", printed)
    assert found, printed
    return float(found[1])


def _run(command: list[str]) -> str:
    """What it prints; what peers keep beside their data goes away with the session's folder."""
    beside = Path("beside").absolute()
    beside.mkdir(exist_ok=True)
    env = os.environ | {"HOME": str(beside), "TMPDIR": str(beside)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr.strip().splitlines()[-1:]
    return done.stdout
