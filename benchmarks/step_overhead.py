"""What a loop pays per step for `run.steps` and `run.step`, or for `fit`, beside the raw loop and other libraries.

The loop, model and numbers are those of the peers' script `step_overhead.py` (`DRIVETRAIN_PEERS`, by default in
`../shared/peers`): a two-layer network, AdamW, clipping, one thread. Our loop takes turns with the raw one in the same
process, a hundred steps each, so that what else the machine does hits both; a peer has a process of its own, compared
with the peers' raw loop right before it. The peers need `.venv-peers`. `fit` logs each 10 steps and draws its bar on a
terminal that is none, twice a second; as a median step has neither, the mean of all steps is measured too.
"""

from __future__ import annotations

import io
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

NUM_SAMPLES = 5
NUM_CORES = 0
LIMIT_S = 600
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
    "fit": "dt.fit with logging and its bar",
}
THEIRS = {
    "fabric": "Lightning Fabric",
    "accel": "Accelerate",
    "hf": "Hugging Face Trainer",
    "lit": "Lightning Trainer, bare",
    "litfull": "Lightning Trainer with its defaults",
}


def bench_ours(way=tuple(OURS)) -> dict[str, float]:
    """What the median step, and the mean one, take more than those of the raw loop."""
    ours, raw = _measure([sys.executable, __file__, way])
    return {"added_s": (ours[0] - raw[0]) / 1e6, "added_mean_s": (ours[1] - raw[1]) / 1e6, "raw_s": raw[0] / 1e6}


def bench_peers(way=tuple(THEIRS)) -> dict[str, float]:
    """The same of another library, less the peers' raw loop right before it."""
    assert PEERS.is_file(), f"no {PEERS}"
    assert PEERS_PYTHON.is_file(), "the peers are not installed: make bench"
    [raw] = _measure([str(PEERS_PYTHON), str(PEERS), "raw"])
    [theirs] = _measure([str(PEERS_PYTHON), str(PEERS), way])
    return {"added_s": (theirs[0] - raw[0]) / 1e6, "added_mean_s": (theirs[1] - raw[1]) / 1e6, "raw_s": raw[0] / 1e6}


def _measure(command: list[str]) -> list[tuple[float, float]]:
    """The median and the mean microseconds of a step, of each loop that a process reports."""
    with tempfile.TemporaryDirectory() as home:
        env = os.environ | {"DRIVETRAIN_HOME": home, "TERM": "xterm", "COLUMNS": "120"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=300)
    found = re.findall(r"median_us ([0-9.]+) mean ([0-9.]+)", done.stderr)
    assert found, done.stderr
    return [(float(median), float(mean)) for median, mean in found]


def _child(way: str) -> None:
    import torch

    torch.set_num_threads(1)
    report = sys.stderr
    turns = _fit_and_raw() if way == "fit" else _turns({way: _ours(way), "raw": _raw()})
    for name, lists in turns.items():
        steps_us = [(after - before) * 1e6 for times in lists for before, after in itertools.pairwise(times)]
        steps_us = steps_us[NUM_WARMUP:]
        print(name, f"median_us {statistics.median(steps_us):.2f} mean {statistics.mean(steps_us):.2f}", file=report)


def _turns(loops: dict[str, Iterator[float]]) -> dict[str, list[list[float]]]:
    """Moments between steps, of each loop and turn."""
    turns: dict[str, list[list[float]]] = {name: [] for name in loops}
    for _ in range(NUM_STEPS // TURN):
        for name, loop in loops.items():
            turns[name].append(list(itertools.islice(loop, TURN)))
    return turns


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _fit_and_raw() -> dict[str, list[list[float]]]:
    """As `_turns`; `fit` has the loop, so the raw one gets its turns inside a loss function."""
    from torch import nn

    import drivetrain as dt

    turns: dict[str, list[list[float]]] = {"fit": [[]], "raw": []}
    raw = _raw()

    def loss_of(model, batch):  # type: ignore[no-untyped-def]
        turns["fit"][-1].append(time.perf_counter())
        if len(turns["fit"][-1]) == TURN:
            turns["raw"].append(list(itertools.islice(raw, TURN)))
            turns["fit"].append([time.perf_counter()])
        x, y = batch
        return nn.functional.mse_loss(model(x), y)

    sys.stderr = _Terminal()
    model, optimizer, loader = _parts()
    dt.fit(model, loader, loss_of, optimizer, until=NUM_STEPS, run=dt.Run(clip=1.0))
    assert "data wait" in sys.stderr.getvalue()
    sys.stderr = sys.__stderr__
    return turns


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
    _child(sys.argv[1])
