"""A complete small training run, started by tests as one or several ranks: `tiny_training.py OPTIONS`, JSON.

Options: steps, every (a checkpoint interval), samples (in all), width (hidden units), loader (`ordered` or `stateful`),
digest (a file that rank 0 writes the hash of its final weights and averages to), fail (`disk`: the one that checkpoints
are written to is full).
"""

from __future__ import annotations

import hashlib
import json
import random
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import drivetrain as dt
from drivetrain.store.writer_process import WriterProcess


class Ordered:
    """Samples by position in the endless sequence, two microbatches a step."""

    num_microbatches = 2

    def __init__(self, global_batch: int = 12) -> None:
        self.global_batch = global_batch
        self.rank, self.world_size, self.step = 0, 1, 0

    def bind(self, *, rank: int, world_size: int) -> None:
        if self.global_batch % (world_size * self.num_microbatches):
            raise ValueError(f"global_batch {self.global_batch} cannot be shared by {world_size} ranks")
        self.rank, self.world_size = rank, world_size

    def seek(self, step: int) -> None:
        self.step = step

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        num = self.global_batch // self.world_size // self.num_microbatches
        while True:
            for part in range(self.num_microbatches):
                start = self.step * self.global_batch + (self.rank * self.num_microbatches + part) * num
                x = np.stack([np.random.default_rng(start + i).normal(size=16).astype(np.float32) for i in range(num)])
                if part == self.num_microbatches - 1:
                    self.step += 1
                yield {"x": x, "position": np.arange(start, start + num)}

    def close(self) -> None:
        pass


class Counting:
    """A loader whose place is its own state."""

    def __init__(self, rank: int) -> None:
        self.rank, self.number = rank, 0

    def state_dict(self) -> dict[str, object]:
        return {"number": self.number}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.number = state["number"]

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        while True:
            self.number += 1
            generator = torch.Generator().manual_seed(1000 * self.number + self.rank)
            yield {"x": torch.randn(4, 16, generator=generator)}


def main() -> None:
    options = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    if options.get("fail") == "disk":
        _fill_disk_of_writer()
    run = dt.Run(clip=1.0, ema=0.9, seed=3, checkpoint=dt.Checkpoint(every=options["every"], keep=2), device="cpu")
    width = options.get("width", 33)
    network = nn.Sequential(nn.Linear(16, width), nn.Tanh(), nn.Dropout(0.2), nn.Linear(width, 1))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=100)
    loader = Counting(run.rank) if options.get("loader") == "stateful" else Ordered()
    model, _, batches = run.setup(network, optimizer, loader, schedule=schedule)
    for batch in run.steps(batches, until=options["steps"]):
        noise = float(np.random.normal()) + random.random()
        target = batch["x"].sum(1, keepdim=True) + 0.01 * noise
        run.step(functional.mse_loss(model(batch["x"]), target))
    if run.is_main:
        digest = hashlib.sha256()
        for average in (False, True):
            if average:
                with run.averaged(model):
                    _add(digest, network)
            else:
                _add(digest, network)
        Path(options["digest"]).write_text(digest.hexdigest())


def _fill_disk_of_writer() -> None:
    """Whatever process writes the checkpoints can make only small files; this one is as it was."""
    start = WriterProcess.__init__

    def limited(self: WriterProcess, *args: object) -> None:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
        start(self, *args)  # type: ignore[arg-type]
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    WriterProcess.__init__ = limited  # type: ignore[method-assign]


def _add(digest: hashlib._Hash, network: nn.Module) -> None:
    for parameter in network.parameters():
        digest.update(parameter.detach().numpy().tobytes())


if __name__ == "__main__":
    main()
