"""What share of a GPU's peak training reaches with `dt.Run`: a 100M-parameter transformer, the segmentation network.

MFU is the arithmetic of the model (forward and backward as `FlopCounterMode` counts them, recomputation left out) over
the time of a step and the GPU's dense peak in bf16. The raw loop, without `dt.Run`, runs beside it in turns.

    make bench-gpu                                  # the whole of it, where a GPU is at hand
    python -m benchmarks.mfu --device cpu --tiny    # whether it works at all, anywhere
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "recipes"))

PEAK_BF16 = {"H100": 989.4e12, "H200": 989.4e12, "A100": 312e12}
"""Dense bf16 FLOP/s by what the name of the device holds. Source: NVIDIA's data sheets of the SXM modules."""
NUM_STEPS, NUM_WARMUP, TURN = 60, 10, 10


class Transformer(nn.Module):
    """A decoder over tokens (B, T) giving logits (B, T, V); 12 layers of width 768 are 98M parameters."""

    def __init__(self, *, num_layers: int = 12, width: int = 768, num_tokens: int = 16_384, length: int = 1024) -> None:
        super().__init__()
        self.embed = nn.Embedding(num_tokens, width)
        self.place = nn.Parameter(torch.zeros(length, width))
        self.blocks = nn.ModuleList(Block(width) for _ in range(num_layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens_BT: torch.Tensor) -> torch.Tensor:
        x_BTD = self.embed(tokens_BT) + self.place[: tokens_BT.shape[1]]
        for block in self.blocks:
            x_BTD = block(x_BTD)
        return self.norm(x_BTD) @ self.embed.weight.T


class Block(nn.Module):
    def __init__(self, width: int, head_width: int = 64) -> None:
        super().__init__()
        self.num_heads = max(1, width // head_width)
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x_BTD: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(self.first(x_BTD)).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x_BTD = x_BTD + self.out(mixed.transpose(1, 2).flatten(2))
        return x_BTD + self.feed(self.second(x_BTD))


def _transformer(device: torch.device, tiny: bool) -> tuple[nn.Module, torch.Tensor, Callable[..., torch.Tensor]]:
    sizes = {"num_layers": 2, "width": 64, "num_tokens": 256, "length": 64} if tiny else {}
    length, num_tokens = sizes.get("length", 1024), sizes.get("num_tokens", 16_384)
    batch = torch.randint(num_tokens, (2 if tiny else 16, length), device=device)

    def loss_of(model: nn.Module, tokens_BT: torch.Tensor) -> torch.Tensor:
        logits_BTV = model(tokens_BT)
        return functional.cross_entropy(logits_BTV[:, :-1].flatten(0, 1).float(), tokens_BT[:, 1:].flatten())

    return Transformer(**sizes), batch, loss_of


def _segmentation(device: torch.device, tiny: bool) -> tuple[nn.Module, torch.Tensor, Callable[..., torch.Tensor]]:
    from segment import UNet

    rows, columns, num = (32, 48, 2) if tiny else (144, 256, 64)
    batch = torch.randint(256, (num, 3, rows, columns), dtype=torch.uint8, device=device)

    def loss_of(model: nn.Module, image_BCHW: torch.Tensor) -> torch.Tensor:
        logits_BCHW = model(image_BCHW)
        return functional.cross_entropy(logits_BCHW.float(), image_BCHW[:, 0].long() % logits_BCHW.shape[1])

    return UNet(), batch, loss_of


MODELS = {"100M transformer, 16 x 1024 tokens": _transformer, "segmentation network, 64 x 256 x 144": _segmentation}


NUM_SAMPLES = 3
NUM_CORES = 0
LIMIT_S = 600
HIGHER_IS_BETTER = {"mfu_pct"}


def bench_training(model=tuple(MODELS)) -> dict[str, float]:
    """MFU with `dt.Run`, and what a step takes beside the raw loop."""
    assert torch.cuda.is_available(), "no GPU at hand"
    return measured(model, torch.device("cuda", 0), tiny=False)


def measured(name: str, device: torch.device, *, tiny: bool) -> dict[str, float]:
    torch.manual_seed(0)
    make = MODELS[name]
    model, batch, loss_of = make(device, tiny)
    flops = _flops(model.to(device), batch, loss_of)
    ours_s, raw_s = _times(make, device, tiny)
    peak = _peak(device)
    mfu = {} if peak is None else {"mfu_pct": 100 * flops / ours_s / peak}
    return mfu | {"step_s": ours_s, "raw_step_s": raw_s, "flops": flops}


def _flops(model: nn.Module, batch: torch.Tensor, loss_of: Callable[..., torch.Tensor]) -> float:
    """Floating point operations of one forward and backward pass."""
    with FlopCounterMode(display=False) as counter:
        loss_of(model, batch).backward()
    return float(counter.get_total_flops())


def _peak(device: torch.device) -> float | None:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    return next((peak for known, peak in PEAK_BF16.items() if known in name), None)


def _times(make: Callable[..., object], device: torch.device, tiny: bool) -> tuple[float, float]:
    """Median seconds of a step, with `dt.Run` and raw, in turns."""
    turn = 2 if tiny else TURN
    loops = {"ours": _ours(make, device, tiny), "raw": _raw(make, device, tiny)}
    times_s: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range((6 if tiny else NUM_STEPS) // turn):
        for name, loop in loops.items():
            _wait(device)
            began_s = time.perf_counter()
            for _ in range(turn):
                next(loop)
            _wait(device)
            times_s[name].append((time.perf_counter() - began_s) / turn)
    for loop in loops.values():
        loop.close()
    skipped = 1 if tiny else NUM_WARMUP // turn
    return statistics.median(times_s["ours"][skipped:]), statistics.median(times_s["raw"][skipped:])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _parts(make: Callable[..., object], device: torch.device, tiny: bool):  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    model, batch, loss_of = make(device, tiny)
    model.to(device)
    return model, torch.optim.AdamW(model.parameters(), 1e-4, fused=True), batch, loss_of


def _ours(make: Callable[..., object], device: torch.device, tiny: bool) -> Iterator[None]:
    import drivetrain as dt

    model, optimizer, batch, loss_of = _parts(make, device, tiny)
    with dt.Run(precision="bf16", clip=1.0, device=str(device)) as run:
        spread, _, batches = run.setup(model, optimizer, [batch])
        for each in run.steps(batches, until=10**9):
            run.step(loss_of(spread, each))
            yield


def _raw(make: Callable[..., object], device: torch.device, tiny: bool) -> Iterator[None]:
    model, optimizer, batch, loss_of = _parts(make, device, tiny)
    while True:
        optimizer.zero_grad()
        with torch.autocast(device.type, dtype=torch.bfloat16):
            loss = loss_of(model, batch)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["DRIVETRAIN_HOME"] = home
        for name in MODELS:
            print(name, measured(name, torch.device(args.device), tiny=args.tiny), sep="  ·  ")


if __name__ == "__main__":
    main()
