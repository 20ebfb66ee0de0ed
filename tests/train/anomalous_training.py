"""Training in which batches go wrong, started by tests as several ranks: `anomalous_training.py OPTIONS`, JSON.

Options: steps, parallel, precision, anomaly (keywords), bad (step -> rank whose batch of that step is not finite), huge
(a step whose update ruins the weights), digest (a file that rank 0 writes the hash of the weights to).
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

import drivetrain as dt


class Rows:
    """Two microbatches a step, each rank its own; a bad one holds NaN, in one sample."""

    batch_size = 4

    def __init__(self, rank: int, bad: dict[str, int], huge: int) -> None:
        self.rank, self.bad, self.huge = rank, bad, huge
        self.number = 0

    def state_dict(self) -> dict[str, object]:
        return {"number": self.number}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.number = state["number"]

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            step = self.number // 2
            x = torch.randn(4, 8, generator=torch.Generator().manual_seed(1000 * self.number + self.rank))
            if self.bad.get(str(step)) == self.rank and self.number % 2:
                x[1, 2] = math.nan
            self.number += 1
            yield x, torch.full((4, 1), 1e5 if step == self.huge else 1.0)


def main() -> None:
    options = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    run = dt.Run(
        parallel=options.get("parallel", "ddp"),
        precision=options.get("precision", "fp32"),
        global_batch=16,
        checkpoint=dt.Checkpoint(every="5step", keep=2),
        ema=0.9,
        anomaly=dt.Anomaly(**options["anomaly"]) if "anomaly" in options else None,
        device="cpu",
    )
    network = nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6), nn.Linear(6, 1))
    loader = Rows(run.rank, options["bad"], options.get("huge", -1))
    model, _, batches = run.setup(network, torch.optim.SGD(network.parameters(), 0.05), loader)
    for x, counts in run.steps(batches, until=options["steps"]):
        run.step(functional.poisson_nll_loss(model(x), counts))
    state = [
        tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor for tensor in model.state_dict().values()
    ]
    assert all(torch.isfinite(tensor).all() for tensor in state)
    if run.is_main:
        digest = hashlib.sha256(b"".join(tensor.detach().numpy().tobytes() for tensor in state))
        Path(options["digest"]).write_text(digest.hexdigest())


if __name__ == "__main__":
    main()
