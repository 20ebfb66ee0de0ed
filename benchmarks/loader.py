"""PandaSet's 1080p JPEGs, decoded, resized to 960x540 and batched: ours beside the ceiling and beside other loaders.

All in one session, each way in a process of its own (`loader_ways.py`), in turns, so that what else the machine does
hits all of them. The ceiling is codec and resize alone in threads on all cores. Where workers are processes, the best
of several numbers of them counts. The peers need `.venv-peers`; one that does not run is told so.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.loader_ways import PREPARE, prepare

REPETITIONS = int(os.environ.get("LOADER_REPETITIONS", "5"))
ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("DRIVETRAIN_TEST_DATA") or ROOT.parent / "shared" / "data") / "pandaset_002"
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
SCRIPT = Path(__file__).with_name("loader_ways.py")
CORES = len(os.sched_getaffinity(0))
PROCESSES = (CORES, 2 * CORES, 1)
"""Numbers of worker processes that are tried."""
TARGETS = {
    "ceiling": ("ceiling: simplejpeg and cv2 in threads", "ours at least 90 % of it"),
    "torch_float": ("torch DataLoader giving float32, best worker count", "ours at least 2x"),
    "torch": ("torch DataLoader giving uint8, best worker count", "ours at least 2x"),
    "streaming": ("MosaicML Streaming, best worker count", "ours faster"),
    "webdataset": ("WebDataset, best worker count", "ours faster"),
    "litdata": ("LitData, best worker count", "ours faster"),
    "spdl": ("SPDL, threads", "ours faster"),
}


def run() -> list[tuple[str, str, str]]:
    """Medians and ranges over repetitions; ratios are medians of those within a repetition."""
    jpegs = sorted((DATA / "camera" / "front_camera").glob("*.jpg"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "inputs"
        prepare(folder, jpegs)
        python = dict.fromkeys(("ours", "ours_scaled", "ceiling", "torch", "torch_float"), sys.executable)
        python |= {way: str(PEERS_PYTHON) for way in (*PREPARE, "spdl") if _is_ready(way, folder)}
        rates: dict[str, list[float]] = {way: [] for way in python}
        workers: dict[str, int] = {}
        for _ in range(REPETITIONS):
            for way, used in python.items():
                if way not in workers:
                    tried = PROCESSES if way in ("torch", "torch_float", *PREPARE) else (CORES,)
                    rate, workers[way] = max((_measure(used, way, folder, number), number) for number in tried)
                else:
                    rate = _measure(used, way, folder, workers[way])
                rates[way].append(rate)
    ours = rates["ours"]
    rows = [(f"ours, {CORES} threads", _text(ours), "")]
    rows.append(("ours, the decoder leaving out what is too fine to be seen", _text(rates["ours_scaled"]), ""))
    for way, (what, target) in TARGETS.items():
        if way not in rates:
            rows.append((what, "does not install or run here", target))
            continue
        ratios = [mine / theirs for mine, theirs in zip(ours, rates[way], strict=True)]
        ratio = f"ours/it {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        rows.append((f"{what} ({workers[way]})", f"{_text(rates[way])}, {ratio}", target))
    return rows


def _is_ready(way: str, folder: Path) -> bool:
    """Whether a peer is there, and has made of the JPEGs what it reads."""
    if not PEERS_PYTHON.is_file():
        return False
    if way == "spdl":
        return _ran([str(PEERS_PYTHON), "-c", "import spdl.pipeline"], folder)
    return _ran([str(PEERS_PYTHON), str(SCRIPT), f"prepare-{way}", str(folder)], folder)


def _ran(command: list[str], folder: Path) -> bool:
    done = subprocess.run(command, env=_env(folder), capture_output=True, text=True, timeout=300)
    if done.returncode:
        print(f"  {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
    return done.returncode == 0


def _measure(python: str, way: str, folder: Path, workers: int) -> float:
    """Images a second."""
    command = [python, str(SCRIPT), way, str(folder), str(workers)]
    done = subprocess.run(command, env=_env(folder), capture_output=True, text=True, timeout=300)
    found = re.search(r"images_per_s ([0-9.]+)", done.stdout)
    assert found, done.stderr
    return float(found[1])


def _env(folder: Path) -> dict[str, str]:
    """What peers keep beside their data goes away with it."""
    beside = folder.parent / "beside"
    beside.mkdir(exist_ok=True)
    return os.environ | {"HOME": str(beside), "TMPDIR": str(beside)}


def _text(rates: list[float]) -> str:
    return f"{statistics.median(rates):.0f}/s ({min(rates):.0f} to {max(rates):.0f})"


if __name__ == "__main__":
    for what, figure, target in run():
        print(f"{what:<58} {figure:<70} {target}")
