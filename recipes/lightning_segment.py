"""The network of segment.py, trained by Lightning.

`drivetrain run --ranks 2 -- python recipes/lightning_segment.py DATASET --ranks 2`. Shapes as in segment.py.
"""

from __future__ import annotations

import argparse
from typing import Literal

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch.utils.data import DataLoader, Dataset

import drivetrain as dt
from segment import NUM_CLASSES, UNet, loss_of, pixels


class Frames(Dataset[dict[str, torch.Tensor]]):
    """A split of a data set, for torch's own loader."""

    def __init__(self, dataset: dt.data.DataSet, split: Literal["train", "held_out"]) -> None:
        self.dataset, self.rows = dataset, dataset.rows(split)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """Image (3, H, W) and label (H, W), uint8."""
        sample = self.dataset.read(int(self.rows[index]))
        return {"image": pixels(sample.image[None])[0], "labels": torch.as_tensor(sample.label)}


class Segmentation(lightning.LightningModule):
    """What to do with a batch, as Lightning asks it."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.network, self.steps = UNet(), steps
        self.register_buffer("weight_C", torch.ones(NUM_CLASSES))

    def training_step(self, batch: dict[str, torch.Tensor], _: int) -> torch.Tensor:
        """The loss of a batch."""
        return loss_of(self.network(batch["image"]), batch["labels"], self.get_buffer("weight_C"))

    def validation_step(self, batch: dict[str, torch.Tensor], _: int) -> None:
        """The loss of a held-out batch, the mean over all ranks."""
        self.log("val_loss", self.training_step(batch, 0), sync_dist=True)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """As segment.py has them."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=6e-3, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=6e-3, total_steps=self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def main() -> None:
    """Train; go on from the last checkpoint where there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", help="folder of a data set made by `drivetrain data ingest`")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--checkpoints", default="checkpoints", help="where Lightning keeps them")
    args = parser.parse_args()

    dataset = dt.data.DataSet.open(args.dataset)
    trainer = lightning.Trainer(
        accelerator="auto" if torch.cuda.is_available() else "cpu",
        devices=args.ranks,
        strategy="ddp" if args.ranks > 1 else "auto",
        max_steps=args.steps,
        gradient_clip_val=1.0,
        log_every_n_steps=10,
        logger=False,
        callbacks=[
            ModelCheckpoint(args.checkpoints, every_n_train_steps=25, save_last=True),
            dt.LightningCallback(),  # the only line that is ours
        ],
    )
    train = DataLoader(Frames(dataset, "train"), batch_size=8 // args.ranks, shuffle=True, drop_last=True)
    held_out = DataLoader(Frames(dataset, "held_out"), batch_size=8 // args.ranks)
    trainer.fit(Segmentation(args.steps), train, held_out, ckpt_path="last")


if __name__ == "__main__":
    main()
