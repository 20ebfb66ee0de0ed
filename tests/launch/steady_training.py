"""A tiny run whose ranks say, at the beginning of each attempt, which process they are: `steady_training.py STEPS`.

`attempt_begins`, `step_begins` and `survives` (any error) are for tests to replace: they write a file `twist.py` beside
them, with those names.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

import drivetrain as dt


class Positions:
    """Samples by position in the endless sequence, one for each rank of up to three."""

    global_batch, num_microbatches = 6, 1

    def bind(self, *, rank: int, world_size: int) -> None:
        self.rank, self.num = rank, self.global_batch // world_size

    def seek(self, step: int) -> None:
        self.step = step

    def __iter__(self) -> Iterator[torch.Tensor]:
        while True:
            first = self.step * self.global_batch + self.rank * self.num
            self.step += 1
            yield torch.stack(
                [torch.randn(4, generator=torch.Generator().manual_seed(first + i)) for i in range(self.num)]
            )

    def close(self) -> None:
        pass


def nothing(*_: object) -> None:
    """What happens where a test twists nothing."""


def main() -> None:
    twist: dict[str, object] = {"attempt_begins": nothing, "step_begins": nothing, "survives": nothing}
    if Path("twist.py").exists():
        exec(Path("twist.py").read_text(), twist)
    rank, attempt = int(os.environ["RANK"]), int(os.environ["DRIVETRAIN_ATTEMPT"])
    print("begins", attempt, os.getpid(), flush=True)
    twist["attempt_begins"](rank, attempt)
    torch.set_num_threads(1)
    every = dt.Checkpoint(every="5step", wait=True)
    run = dt.Run(checkpoint=every if "saves" in sys.argv else None, device="cpu", seed=1)
    network = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1))
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    model, _, batches = run.setup(network, optimizer, Positions())
    while run.step_index < int(sys.argv[1]):
        try:
            for batch in run.steps(batches, until=int(sys.argv[1])):
                twist["step_begins"](rank, attempt, run.step_index)
                run.step(model(batch).square().mean())
        except Exception:
            if not twist["survives"](rank, attempt):
                raise
    if rank == 0:
        print("weights", [tensor.tolist() for tensor in network.state_dict().values()], flush=True)


if __name__ == "__main__":
    main()
