"""A small run that other processes profile: `profiled_training.py FOLDER STEPS [own]`.

Without a number of steps it goes on until FOLDER holds `enough`, so that nobody has to hurry. Rank 0 writes the hash of
its weights to FOLDER. Before each step it calls `step_begins` of FOLDER/twist.py, where there is one.
"""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

import drivetrain as dt


class Rows:
    """Samples by position in the endless sequence, one microbatch a step."""

    global_batch, num_microbatches = 6, 1

    def bind(self, *, rank: int, world_size: int) -> None:
        self.rank, self.num = rank, self.global_batch // world_size

    def seek(self, step: int) -> None:
        self.step = step

    def __iter__(self):
        while True:
            first = self.step * self.global_batch + self.rank * self.num
            self.step += 1
            yield np.stack(
                [np.random.default_rng(first + i).normal(size=4).astype(np.float32) for i in range(self.num)]
            )

    def close(self) -> None:
        pass


def main() -> None:
    folder, until = Path(sys.argv[1]), int(sys.argv[2])
    twist: dict[str, object] = {"step_begins": lambda *_: None}
    if (folder / "twist.py").exists():
        exec((folder / "twist.py").read_text(), twist)
    torch.set_num_threads(1)
    with dt.Run(device="cpu", seed=1, checkpoint=dt.Checkpoint(every="1000step")) as run:
        network = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1))
        model, _, batches = run.setup(network, torch.optim.AdamW(network.parameters(), lr=0.01), Rows())
        for batch in run.steps(batches, until=until):
            twist["step_begins"](run)
            run.step(model(batch).square().mean())
            if run.step_index % 64 == 0:
                time.sleep(0.01)  # a journal of a million steps helps nobody
                if run.share((folder / "enough").exists()):
                    run.stop()
        if run.is_main:
            digest = hashlib.sha256(b"".join(each.numpy().tobytes() for each in network.state_dict().values()))
            (folder / "weights").write_text(f"{run.step_index} {digest.hexdigest()}")


if __name__ == "__main__":
    main()
