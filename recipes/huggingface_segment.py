"""The network of segment.py, trained by Hugging Face's Trainer.

`drivetrain run -- python recipes/huggingface_segment.py DATASET`, on any number of ranks. Shapes as in segment.py.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Literal

import torch
from torch import nn
from torch.utils.data import Dataset
from transformers import Trainer, TrainingArguments

import drivetrain as dt
from segment import NUM_CLASSES, UNet, loss_of, pixels


class Frames(Dataset[dict[str, torch.Tensor]]):
    """A split of a data set, for the Trainer's own loader."""

    def __init__(self, dataset: dt.data.DataSet, split: Literal["train", "held_out"]) -> None:
        self.dataset, self.rows = dataset, dataset.rows(split)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """Image (3, H, W) and label (H, W), uint8."""
        sample = self.dataset.read(int(self.rows[index]))
        return {"image": pixels(sample.image[None])[0], "labels": torch.as_tensor(sample.label)}


class Segmentation(nn.Module):
    """The network with its loss, as the Trainer asks for it."""

    def __init__(self) -> None:
        super().__init__()
        self.network = UNet()
        self.register_buffer("weight_C", torch.ones(NUM_CLASSES))

    def forward(self, image: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Loss and logits of a batch."""
        logits_BCHW = self.network(image)
        return {"loss": loss_of(logits_BCHW, labels, self.get_buffer("weight_C")), "logits": logits_BCHW}


def main() -> None:
    """Train; go on from the last checkpoint where there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", help="folder of a data set made by `drivetrain data ingest`")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--checkpoints", default="checkpoints", help="where the Trainer keeps them")
    args = parser.parse_args()

    dataset = dt.data.DataSet.open(args.dataset)
    arguments = TrainingArguments(
        args.checkpoints,
        max_steps=args.steps,
        per_device_train_batch_size=8,
        learning_rate=6e-3,
        weight_decay=1e-2,
        warmup_steps=args.steps // 4,
        logging_steps=10,
        eval_strategy="steps",
        eval_steps=50,
        prediction_loss_only=True,
        save_steps=25,
        save_total_limit=3,
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=torch.cuda.is_available(),
        report_to=[],
    )
    trainer = Trainer(
        Segmentation(),
        arguments,
        train_dataset=Frames(dataset, "train"),
        eval_dataset=Frames(dataset, "held_out"),
        callbacks=[dt.HuggingFaceCallback()],  # the only line that is ours
    )
    trainer.train(resume_from_checkpoint=any(Path(args.checkpoints).glob("checkpoint-*")))


if __name__ == "__main__":
    main()
