"""Training with all that has a state, started by tests as ranks that are disturbed: `chaos_training.py OPTIONS`, JSON.

Options: way (`loop`, `anomaly`: one batch is not finite, or `fit`), steps, every (a checkpoint interval), digest (a
file that rank 0 writes the hash of its final weights, averages and buffers to).
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tiny_training import Ordered
from torch import nn
from torch.nn import functional

import drivetrain as dt

WIDTH = 2048  # each rank's part of a checkpoint is larger than what a full disk takes
NAN_AT = 12 * 137 + 7


class Samples(Ordered):
    """Those of `Ordered`, of which one may be no number."""

    is_spoiled = False

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in super().__iter__():
            if self.is_spoiled:
                batch["x"][batch["position"] == NAN_AT] = np.nan
            yield batch


def loss_of(model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    noise = float(np.random.normal()) + random.random()
    return functional.mse_loss(model(batch["x"]), batch["x"].sum(1, keepdim=True) + 0.01 * noise)


def main() -> None:
    options = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    way, steps = options["way"], options["steps"]
    run = dt.Run(
        clip=1.0,
        ema=0.9,
        seed=3,
        checkpoint=dt.Checkpoint(every=options["every"], keep=2, failures=1000),
        anomaly=dt.Anomaly(skip=3) if way == "anomaly" else None,
        device="cpu",
    )
    network = nn.Sequential(
        nn.Linear(16, WIDTH), nn.BatchNorm1d(WIDTH), nn.Tanh(), nn.Dropout(0.2), nn.Linear(WIDTH, 1)
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-3, total_steps=steps + 1)
    loader = Samples()
    loader.is_spoiled = way == "anomaly"
    if way == "fit":
        held_out = {"x": torch.randn(8, 16, generator=torch.Generator().manual_seed(6))}
        dt.fit(
            network,
            loader,
            loss_of,
            optimizer,
            until=steps,
            run=run,
            schedule=schedule,
            evaluate=lambda model: {"error": loss_of(model, held_out)},
            evaluate_every="60step",
            progress=False,
        )
    else:
        model, _, batches = run.setup(network, optimizer, loader, schedule=schedule)
        for batch in run.steps(batches, until=steps):
            loss = loss_of(model, batch)
            if run.is_main:
                run.log(loss=loss)
            run.step(loss)
    if run.is_main:
        digest = hashlib.sha256()
        _add(digest, network)
        with run.averaged(network):
            _add(digest, network)
        Path(options["digest"]).write_text(digest.hexdigest())


def _add(digest: hashlib._Hash, network: nn.Module) -> None:
    for tensor in network.state_dict().values():
        assert torch.isfinite(tensor).all()
        digest.update(tensor.detach().numpy().tobytes())


if __name__ == "__main__":
    main()
