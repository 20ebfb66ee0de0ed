"""What a loop pays per step for `run.steps` and `run.step`, beside the raw loop and other libraries on the same model.

The loop, model and numbers are those of the peers' script `step_overhead.py` (`DRIVETRAIN_PEERS`, by default in
`../shared/peers`): a two-layer network, AdamW, clipping, one thread. Each way of running it is a process of its own;
the ways take turns, so that what else the machine does hits all of them. The peers need `.venv-peers`.
"""

from __future__ import annotations

import itertools
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPETITIONS = 5
NUM_STEPS, NUM_WARMUP = 3000, 300
BATCH, WIDTH = 32, 64
ROOT = Path(__file__).resolve().parents[1]
PEERS = Path(os.environ.get("DRIVETRAIN_PEERS") or ROOT.parent / "shared" / "peers") / "step_overhead.py"
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
OURS = {
    "run": "dt.Run, journal on",
    "run-ema": "dt.Run, journal and ema on",
    "run-saving": "dt.Run, journal on, a checkpoint every 10 m",
}
THEIRS = {"fabric": "Lightning Fabric", "accel": "Accelerate"}


def run() -> list[tuple[str, str, str]]:
    """Medians over repetitions of the median step; added time is against the raw loop of the same repetition."""
    ways = {"raw": "the raw loop", **OURS} | (THEIRS if PEERS.is_file() and PEERS_PYTHON.is_file() else {})
    steps_us: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(REPETITIONS):
        for way in ways:
            steps_us[way].append(_measure(way))
    rows = [("the raw loop, a step", _text(steps_us["raw"]), "")]
    for way, what in list(ways.items())[1:]:
        added_us = [mine - raw for mine, raw in zip(steps_us[way], steps_us["raw"], strict=True)]
        rows.append((f"{what}: added to a step", _text(added_us), "at most 20 us" if way == "run" else ""))
    rows += [(f"{what}: added to a step", "not installed here", "") for way, what in THEIRS.items() if way not in ways]
    return rows


def _text(values_us: list[float]) -> str:
    return f"{statistics.median(values_us):.1f} us ({min(values_us):.1f} to {max(values_us):.1f})"


def _measure(way: str) -> float:
    """Median microseconds of a step, from a process of its own."""
    command = [str(PEERS_PYTHON), str(PEERS), way] if way in THEIRS else [sys.executable, __file__, way]
    with tempfile.TemporaryDirectory() as home:
        env = os.environ | {"DRIVETRAIN_HOME": home}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=300)
    found = re.search(r"median_us ([0-9.]+)", done.stderr)
    assert found is not None, done.stderr
    return float(found[1])


def _child(way: str) -> None:
    import torch

    torch.set_num_threads(1)
    times = _raw() if way == "raw" else _ours(way)
    measured = times[NUM_WARMUP:]
    steps_us = [(after - before) * 1e6 for before, after in itertools.pairwise(measured)]
    print(f"{way} median_us {statistics.median(steps_us):.2f} mean {statistics.mean(steps_us):.2f}", file=sys.stderr)


def _model_and_loader():  # type: ignore[no-untyped-def]
    import torch
    from torch import nn

    num_batches = NUM_STEPS + NUM_WARMUP
    torch.manual_seed(0)
    x, y = torch.randn(BATCH * num_batches, WIDTH), torch.randn(BATCH * num_batches, 1)

    class Rows(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return num_batches

        def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
            return x[i * BATCH : (i + 1) * BATCH], y[i * BATCH : (i + 1) * BATCH]

    model = nn.Sequential(nn.Linear(WIDTH, 128), nn.ReLU(), nn.Linear(128, 1))
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    return model, optimizer, torch.utils.data.DataLoader(Rows(), batch_size=None, num_workers=0)


def _raw() -> list[float]:
    from torch import nn

    model, optimizer, loader = _model_and_loader()
    times = []
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        times.append(time.perf_counter())
    return times


def _ours(way: str) -> list[float]:
    from torch import nn

    import drivetrain as dt

    times = []
    checkpoint = dt.Checkpoint(every="10m") if way == "run-saving" else None
    with dt.Run(clip=1.0, ema=0.999 if way == "run-ema" else None, checkpoint=checkpoint) as run:
        model, _, batches = run.setup(*_model_and_loader())
        for x, y in run.steps(batches, until=NUM_STEPS + NUM_WARMUP):
            run.step(nn.functional.mse_loss(model(x), y))
            times.append(time.perf_counter())
    return times


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _child(sys.argv[1])
    else:
        for what, figure, target in run():
            print(f"{what:<58} {figure:<40} {target}")
