"""A Lightning training, started by tests as one or several ranks: `lightning_training.py FOLDER NAME STEPS RANKS`.

NAME is the one under which Lightning is imported. It goes on from its own newest checkpoint.
"""

from __future__ import annotations

import importlib
import sys

import torch
from torch import nn

import drivetrain as dt

folder, name, steps, ranks = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
pl = importlib.import_module(name)


class Module(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 1)

    def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
        loss = self.layer(batch[0]).square().mean()
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: list[torch.Tensor], _: int) -> None:
        self.log("val_loss", self.layer(batch[0]).square().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01)


torch.set_num_threads(1)
rows = torch.utils.data.TensorDataset(torch.randn(64 * ranks, 8, generator=torch.Generator().manual_seed(0)))
loader = torch.utils.data.DataLoader(rows, batch_size=4)
saving = pl.callbacks.ModelCheckpoint(dirpath=folder, every_n_train_steps=3, save_last=True)
trainer = pl.Trainer(
    accelerator="cpu",
    devices=ranks,
    strategy="ddp" if ranks > 1 else "auto",
    max_steps=steps,
    accumulate_grad_batches=2,
    val_check_interval=8,
    log_every_n_steps=1,
    logger=False,
    enable_progress_bar=False,
    enable_model_summary=False,
    callbacks=[saving, dt.LightningCallback()],
)
trainer.fit(Module(), loader, loader, ckpt_path="last")
