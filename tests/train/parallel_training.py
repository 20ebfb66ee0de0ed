"""Small training runs on several ranks, one after the other: `parallel_training.py RANKS FOLDER CASES`, JSON.

Each case is what `dt.Run` takes, and `microbatch`, its size. Rank 0 leaves `FOLDER/NUMBER.pt`: losses of all steps,
names and values of the weights and averages, and whether the network's type and method were the user's.
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import rank_forks
import torch
import torch._dynamo  # what ranks would import, each for itself
import torch.distributed.fsdp
from torch import nn
from torch.nn import functional

import drivetrain as dt
from drivetrain.data.share import Share

GLOBAL_BATCH, STEPS = 8, 5


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(width, width), nn.Tanh())
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.training:
            self.mean += x.detach().mean()
        return x + self.inner(x)


class Net(nn.Module):
    """A stem, two blocks and a head tied to the stem."""

    def __init__(self, width: int = 9) -> None:
        super().__init__()
        self.stem = nn.Linear(width, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(2))
        self.head = nn.Linear(width, width, bias=False)
        self.head.weight = self.stem.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)

    def score(self, x: torch.Tensor) -> torch.Tensor:
        return functional.mse_loss(self(x), x.flip(1))


class Loader:
    """Position p of the endless sequence is a sample of its own."""

    global_batch = GLOBAL_BATCH

    def __init__(self, microbatch: int | None) -> None:
        self.microbatch, self.number = microbatch, 0
        self.bind(rank=0, world_size=1)

    def bind(self, *, rank: int, world_size: int) -> None:
        self.share = Share.divide(GLOBAL_BATCH, rank=rank, world_size=world_size, microbatch=self.microbatch)
        self.num_microbatches, self.weights = self.share.num_microbatches, self.share.weights

    def seek(self, step: int) -> None:
        self.number = step * self.num_microbatches

    def __iter__(self):
        while True:
            positions = self.share.positions(self.number).tolist()
            self.number += 1
            yield torch.stack([torch.randn(9, generator=torch.Generator().manual_seed(at)) for at in positions])

    def close(self) -> None:
        pass


def train(case: dict[str, Any], file: Path) -> None:
    torch.set_num_threads(1)
    loader = Loader(case.pop("microbatch", None))
    if isinstance(case.get("parallel"), dict):
        case["parallel"] = dt.Fsdp(**case["parallel"])
    with dt.Run(clip=0.5, ema=0.9, device="cpu", **case) as run:
        network = Net()
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
        model, optimizer, batches = run.setup(network, optimizer, loader)
        losses = []
        weights = itertools.cycle(loader.weights)
        total = torch.zeros(())
        for x in run.steps(batches, until=STEPS):
            loss = model.score(x)
            run.step(loss)
            total += loss.detach() * next(weights)
            if run.step_index > len(losses):
                losses.append(float(run.all_sum(total)) / run.world_size)
                total.zero_()
        mean = model.blocks[1].mean.clone()
        model.eval()
        with torch.no_grad(), run.averaged(model), run.whole(model):
            alone = float(model.score(torch.ones(2, 9))) if run.is_main else 0.0  # no other rank calls it
            averages = {name: value.detach().clone() for name, value in model.named_parameters()}
        with run.whole(model):
            weights = {name: value.detach().clone() for name, value in model.named_parameters()}
        found = {
            "losses": losses,
            "weights": weights,
            "averages": averages,
            "buffer": float(mean),
            "mean_buffer": float(run.all_sum(mean)) / run.world_size,
            "alone": alone,
            "is_user_type": isinstance(model, Net) and model is network,
            "names": list(model.state_dict()),
        }
    if run.is_main:
        torch.save(found, file)


if __name__ == "__main__":
    cases = json.loads(sys.argv[3])
    for number, case in enumerate(cases):
        rank_forks.on_ranks(int(sys.argv[1]), train, case, Path(sys.argv[2]) / f"{number}.pt")
