"""Training whose number of ranks and sharding change between launches: `moving_training.py UNTIL PARALLEL`.

Each rank prints, for every step, its samples' positions and its loss.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from tiny_training import Ordered
from torch import nn
from torch.nn import functional

import drivetrain as dt


class Samples(Ordered):
    """One microbatch a step."""

    num_microbatches = 1

    def __iter__(self) -> Iterator[dict[str, Any]]:
        yield from super().__iter__()


def main() -> None:
    torch.set_num_threads(1)
    parallel = sys.argv[2] if int(sys.argv[3]) > 1 else "single"
    run = dt.Run(parallel=parallel, checkpoint=dt.Checkpoint(every="100step"), ema=0.9, clip=1.0, device="cpu")
    network = nn.Sequential(nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, 1))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    model, _, batches = run.setup(network, optimizer, Samples())
    for batch in run.steps(batches, until=int(sys.argv[1])):
        loss = functional.mse_loss(model(batch["x"]), batch["x"].sum(1, keepdim=True))
        print(json.dumps([run.step_index, np.asarray(batch["position"]).tolist(), loss.item()]), flush=True)
        run.step(loss)


if __name__ == "__main__":
    main()
