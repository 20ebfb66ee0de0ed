"""A training with the Hugging Face Trainer, started by tests: `huggingface_training.py FOLDER STEPS`.

It goes on from its own newest checkpoint.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import nn
from transformers import Trainer, TrainingArguments

import drivetrain as dt

folder, steps = sys.argv[1], int(sys.argv[2])


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 1)

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": nn.functional.mse_loss(self.layer(x), labels), "logits": self.layer(x)}


torch.set_num_threads(1)
x = torch.randn(128, 8, generator=torch.Generator().manual_seed(0))
rows = [{"x": row, "labels": row[:1]} for row in x]
arguments = TrainingArguments(
    folder,
    use_cpu=True,
    max_steps=steps,
    per_device_train_batch_size=4,
    gradient_accumulation_steps=2,
    logging_steps=1,
    eval_strategy="steps",
    eval_steps=4,
    save_steps=3,
    report_to=[],
    disable_tqdm=True,
    dataloader_pin_memory=False,
)
trainer = Trainer(
    model=Network(),
    args=arguments,
    train_dataset=rows,
    eval_dataset=rows[:8],
    callbacks=[dt.HuggingFaceCallback()],
)
trainer.train(resume_from_checkpoint=any(Path(folder).glob("checkpoint-*")))
