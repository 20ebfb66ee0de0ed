"""Train a small segmentation network on a drive: `drivetrain run --ranks 2 -- python recipes/segment.py DATASET`.

Shapes: B batch, C classes, H rows, W columns.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import drivetrain as dt

NUM_CLASSES, IGNORED = len(dt.data.CLASSES), dt.data.UNLABELLED


def block(num_in: int, num_out: int) -> nn.Sequential:
    """Two 3x3 convolutions, each normalised in groups, so that it behaves the same in training and evaluation."""
    layers: list[nn.Module] = []
    for width in (num_in, num_out):
        layers += [nn.Conv2d(width, num_out, 3, padding=1, bias=False), nn.GroupNorm(4, num_out), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Image (B, 3, H, W) of 0..255 to logits (B, C, H, W); any H and W from 16 on. About 0.26M parameters."""

    def __init__(self, widths: tuple[int, ...] = (24, 32, 48, 72)) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.GroupNorm(4, 16), nn.ReLU())
        self.down = nn.ModuleList(block(i, o) for i, o in zip((16, *widths), widths, strict=False))
        self.up = nn.ModuleList(block(i + o, o) for i, o in zip(widths[::-1], widths[-2::-1], strict=False))
        self.head = nn.Conv2d(widths[0], NUM_CLASSES, 1)

    def forward(self, image_BCHW: torch.Tensor) -> torch.Tensor:
        """Logits for each pixel, worked out at half the image's size."""
        x = self.stem(image_BCHW.float() / 128 - 1)
        skips: list[torch.Tensor] = []
        for down in self.down:
            x = down(functional.max_pool2d(x, 2) if skips else x)
            skips.append(x)
        for up, skip in zip(self.up, skips[-2::-1], strict=True):
            x = up(torch.cat((functional.interpolate(x, size=skip.shape[-2:]), skip), dim=1))
        return functional.interpolate(self.head(x), size=image_BCHW.shape[-2:], mode="bilinear")


def loss_of(logits_BCHW: torch.Tensor, label_BHW: torch.Tensor, weight_C: torch.Tensor) -> torch.Tensor:
    """Weighted cross-entropy over labelled pixels; zero, not NaN, where none is labelled."""
    total = functional.cross_entropy(logits_BCHW, label_BHW.long(), weight_C, ignore_index=IGNORED, reduction="sum")
    return total / (label_BHW != IGNORED).sum().clamp(min=1)


def pixels(image_BHWC: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Images as the network wants them, channels first."""
    return torch.as_tensor(image_BHWC).movedim(-1, 1)


def predict(run: dt.Run, network: nn.Module, image_HWC: np.ndarray) -> np.ndarray:
    """Class of each pixel, uint8 (H, W)."""
    logits_BCHW = network(pixels(image_HWC[None]).to(run.device))
    return np.asarray(logits_BCHW.argmax(1)[0].byte().cpu())


def evaluate(run: dt.Run, network: nn.Module, dataset: dt.data.DataSet) -> float:
    """Mean IoU over the held-out frames, each scored by one rank; the same on all ranks."""
    confusion = torch.zeros(NUM_CLASSES, NUM_CLASSES, dtype=torch.int64)
    with run.phase("eval"), torch.no_grad(), run.averaged(network), run.whole(network):
        for sample in dataset.samples("held_out", start=run.rank, step=run.world_size):
            confusion += torch.from_numpy(dt.data.confusion(sample.label, predict(run, network, sample.image)))
        return dt.data.mean_iou(run.all_sum(confusion).numpy())


def keep_results(run: dt.Run, network: nn.Module, dataset: dt.data.DataSet, mean_iou: float) -> None:
    """Pictures (image, labels, prediction) and the score beside two baselines, for the report; by rank 0."""
    captions = {}
    with run.phase("eval"), torch.no_grad(), run.averaged(network), run.whole(network):
        if not run.is_main:
            return
        scores = {"mean IoU, held out": mean_iou, **dt.data.baselines(dataset)}
        for sample in dataset.samples("held_out", step=3):
            drawn = [dt.data.colour_labels(x) for x in (sample.label, predict(run, network, sample.image))]
            run.keep(name := f"held-out/{sample.key}.jpg", dt.data.encode_jpeg(np.hstack([sample.image, *drawn])))
            captions[name] = f"{sample.key}: image, labels, prediction"
        run.keep("results.json", json.dumps(scores).encode())
        run.keep("captions.json", json.dumps(captions).encode())


def main() -> None:
    """Train, evaluate every 50 steps, keep results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", help="folder of a data set made by `drivetrain data ingest`")
    parser.add_argument("--steps", type=int, default=300)
    args = parser.parse_args()

    run = dt.Run(parallel="ddp", global_batch=8, clip=1.0, ema=0.98, checkpoint=dt.Checkpoint(every="25step", keep=3))
    dataset = dt.data.DataSet.open(args.dataset)
    loader = dt.data.Loader(dataset, split="train", global_batch=8, seed=0, flip=True)
    share_C = torch.tensor(dt.data.class_shares(dataset), dtype=torch.float32, device=run.device).clamp(min=1e-3)
    weight_C = share_C.rsqrt() / share_C.sqrt().sum()  # rare classes count for more; one on average over pixels
    network = UNet()
    optimizer: torch.optim.Optimizer = torch.optim.AdamW(network.parameters(), lr=6e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=6e-3, total_steps=args.steps)
    model, optimizer, batches = run.setup(network, optimizer, loader, schedule=schedule)
    for batch in run.steps(batches, until=args.steps):
        loss = loss_of(model(pixels(batch["image"])), batch["label"], weight_C)
        run.step(loss)
        if run.is_main and run.step_index % 10 == 0:
            run.log(loss=loss)
        if run.step_index % 50 == 0:
            run.log(mean_iou=evaluate(run, network, dataset))
    score = evaluate(run, network, dataset)
    keep_results(run, network, dataset, score)


if __name__ == "__main__":
    main()
