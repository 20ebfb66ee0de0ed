"""What a loop pays per step for `run.steps` and `run.step`, beside the raw loop and other libraries on the same model.

The loop, model and numbers are those of the peers' script `step_overhead.py` (`DRIVETRAIN_PEERS`, by default in
`../shared/peers`): a two-layer network, AdamW, clipping, one thread. Our loop takes turns with the raw one in the same
process, a hundred steps each, so that what else the machine does hits both; a peer has a process of its own, compared
with the peers' raw loop right before it. The peers need `.venv-peers`.
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
from collections.abc import Iterator
from pathlib import Path

REPETITIONS = 5
NUM_STEPS, NUM_WARMUP, TURN = 3000, 300, 100
BATCH, WIDTH = 32, 64
ROOT = Path(__file__).resolve().parents[1]
PEERS = Path(os.environ.get("DRIVETRAIN_PEERS") or ROOT.parent / "shared" / "peers") / "step_overhead.py"
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
OURS = {
    "run": "dt.Run with its journal",
    "run-ema": "dt.Run with its journal and ema",
    "run-saving": "dt.Run with its journal and checkpoints every 10 m",
    "run-anomaly": "dt.Run with its journal, looking at every step's numbers",
    "run-spike": "dt.Run with its journal, looking for spikes too",
}
THEIRS = {"fabric": "Lightning Fabric", "accel": "Accelerate"}


def run() -> list[tuple[str, str, str]]:
    """Medians and ranges over repetitions; in each, the median step less the median step of the raw loop."""
    has_peers = PEERS.is_file() and PEERS_PYTHON.is_file()
    raw_us: list[float] = []
    added_us: dict[str, list[float]] = {way: [] for way in (*OURS, *THEIRS)}
    for _ in range(REPETITIONS):
        for way in OURS:
            ours, raw = _measure([sys.executable, __file__, way])
            raw_us.append(raw)
            added_us[way].append(ours - raw)
        if has_peers:
            [raw] = _measure([str(PEERS_PYTHON), str(PEERS), "raw"])
            for way in THEIRS:
                [theirs] = _measure([str(PEERS_PYTHON), str(PEERS), way])
                added_us[way].append(theirs - raw)
    rows = [("the raw loop, a step", _text(raw_us), "")]
    for way, what in (OURS | THEIRS).items():
        rows.append((f"added by {what}", _text(added_us[way]), "at most 20 us" if way == "run" else ""))
    return rows


def _text(values_us: list[float]) -> str:
    if not values_us:
        return "not installed here"
    return f"{statistics.median(values_us):.1f} us ({min(values_us):.1f} to {max(values_us):.1f})"


def _measure(command: list[str]) -> list[float]:
    """The median microseconds of a step that a process reports."""
    with tempfile.TemporaryDirectory() as home:
        env = os.environ | {"DRIVETRAIN_HOME": home}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=300)
    found = [float(figure) for figure in re.findall(r"median_us ([0-9.]+)", done.stderr)]
    assert found, done.stderr
    return found


def _child(way: str) -> None:
    import torch

    torch.set_num_threads(1)
    loops = {way: _ours(way), "raw": _raw()}
    steps_us: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(NUM_STEPS // TURN):
        for name, loop in loops.items():
            times = list(itertools.islice(loop, TURN))
            steps_us[name] += [(after - before) * 1e6 for before, after in itertools.pairwise(times)]
    for name, values in steps_us.items():
        print(f"{name} median_us {statistics.median(values[NUM_WARMUP:]):.2f}", file=sys.stderr)


def _parts():  # type: ignore[no-untyped-def]
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


def _raw() -> Iterator[float]:
    from torch import nn

    model, optimizer, loader = _parts()
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        yield time.perf_counter()


def _ours(way: str) -> Iterator[float]:
    from torch import nn

    import drivetrain as dt

    checkpoint = dt.Checkpoint(every="10m") if way == "run-saving" else None
    anomaly = {"run-anomaly": dt.Anomaly(then="stop"), "run-spike": dt.Anomaly(then="stop", spike=8)}.get(way)
    with dt.Run(clip=1.0, ema=0.999 if way == "run-ema" else None, checkpoint=checkpoint, anomaly=anomaly) as run:
        model, _, batches = run.setup(*_parts())
        for x, y in run.steps(batches, until=NUM_STEPS + NUM_WARMUP):
            run.step(nn.functional.mse_loss(model(x), y))
            yield time.perf_counter()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _child(sys.argv[1])
    else:
        for what, figure, target in run():
            print(f"{what:<58} {figure:<40} {target}")
