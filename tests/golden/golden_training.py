"""The training that the golden checkpoints are of: `golden_training.py STEPS`, on any number of ranks.

It has what a checkpoint can hold: weights, buffers, AdamW, a schedule, an average, generators and a place in the data.
`drivetrain run --ranks 2 -- python tests/golden/golden_training.py 4` made them, each with the code of its day.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator

import torch
from torch import nn

import drivetrain as dt


class Rows:
    """Sample `p` of the endless sequence is drawn from a generator seeded with `p`."""

    num_microbatches = 1
    global_batch = 12

    def bind(self, *, rank: int, world_size: int) -> None:
        self.rank, self.num = rank, self.global_batch // world_size

    def seek(self, step: int) -> None:
        self.start = step * self.global_batch + self.rank * self.num

    def __iter__(self) -> Iterator[torch.Tensor]:
        while True:
            rows = [torch.randn(4, generator=torch.Generator().manual_seed(self.start + i)) for i in range(self.num)]
            self.start += self.global_batch
            yield torch.stack(rows)

    def close(self) -> None:
        pass


def make() -> tuple[nn.Module, torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """The network, its optimizer and schedule."""
    network = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 1))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    return network, optimizer, torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=100)


def digest(run: dt.Run, model: nn.Module, optimizer: torch.optim.Optimizer) -> str:
    """A hash of weights, buffers, both moments of the optimizer, and averages."""
    tensors = [*model.state_dict().values()]
    tensors += [value for state in optimizer.state_dict()["state"].values() for _, value in sorted(state.items())]
    with run.averaged(model):
        tensors += [parameter.detach().clone() for parameter in model.parameters()]
    return hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in tensors)).hexdigest()


def main() -> None:
    torch.set_num_threads(1)
    with dt.Run(ema=0.9, seed=3, checkpoint=dt.Checkpoint(every="100step"), device="cpu") as run:
        network, optimizer, schedule = make()
        model, optimizer, batches = run.setup(network, optimizer, Rows(), schedule=schedule)
        for x in run.steps(batches, until=int(sys.argv[1])):
            run.step((model(x) - x.sum(1, keepdim=True)).square().mean())
        if run.is_main:
            print(digest(run, network, optimizer))


if __name__ == "__main__":
    main()
