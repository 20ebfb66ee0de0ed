"""A training whose number of ranks changes as it runs: `elastic_training.py STEPS CHECKPOINT FOLDER`.

Each rank prints a line of JSON for each step it has finished, with the positions of its samples; rank 0, in the end,
the sum of the weights. It ends a few steps after a file `enough` has come into the folder, if not before.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

import drivetrain as dt

SHORT_S = 0.02  # what a step takes, so that there is time to do something to it


class Numbered:
    """Samples by position in the endless sequence."""

    num_microbatches = 1
    global_batch = 12

    def __init__(self) -> None:
        self.rank, self.world_size, self.step = 0, 1, 0

    def bind(self, *, rank: int, world_size: int) -> None:
        if self.global_batch % world_size:
            raise ValueError(f"12 samples cannot be shared by {world_size} ranks")
        self.rank, self.world_size = rank, world_size

    def seek(self, step: int) -> None:
        self.step = step

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        num = self.global_batch // self.world_size
        while True:
            start = self.step * self.global_batch + self.rank * num
            self.step += 1
            x = np.stack([np.random.default_rng(start + i).normal(size=8).astype(np.float32) for i in range(num)])
            yield {"x": x, "position": np.arange(start, start + num)}

    def close(self) -> None:
        pass


def _is_enough(folder: Path, step: int, is_main: bool) -> bool:
    """Rank 0 says which step is the last; the others are never more than one ahead of it."""
    last = folder / "last"
    if is_main and (folder / "enough").exists() and not last.exists():
        (folder / "aside").write_text(str(step + 5))
        (folder / "aside").rename(last)
    return last.exists() and step >= int(last.read_text())


def main() -> None:
    until, every, folder = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    torch.set_num_threads(1)
    run = dt.Run(seed=3, checkpoint=dt.Checkpoint(every=every), device="cpu")
    network = nn.Sequential(nn.Linear(8, 9), nn.BatchNorm1d(9), nn.Tanh(), nn.Linear(9, 1))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    model, _, batches = run.setup(network, optimizer, Numbered())
    for batch in run.steps(batches, until=until):
        step = run.step_index
        run.step(model(batch["x"]).square().mean())
        line = {"step": step, "rank": run.rank, "of": run.world_size, "positions": batch["position"].tolist()}
        print(json.dumps(line), flush=True)
        if _is_enough(folder, step, run.is_main):
            run.stop()
        time.sleep(SHORT_S)
    if run.is_main:
        total = sum(float(parameter.detach().double().sum()) for parameter in network.parameters())
        print(json.dumps({"weights": total}), flush=True)


if __name__ == "__main__":
    main()
