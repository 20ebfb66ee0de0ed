"""Forecast where vehicles go: `python recipes/forecast.py RECORDING.xml ...` (any log with tracks, or `synth`).

Every vehicle is held out once: as many networks as folds are trained side by side, and each is scored on the vehicles
of the fold that it never saw, beside constant velocity and constant turn rate, by manoeuvre.

Shapes: G networks, B batch, N samples, H history, R others by role, L pieces of lanes, P points of one, K modes,
F ticks of future, C channels.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import drivetrain as dt

forecast = dt.data.forecast
Arrays = Mapping[str, torch.Tensor]
Scores = dict[str, dict[str, dict[str, float]]]  # by slice, then by who forecasts
NUM_MODES = 6
PARTS = ("history", "others", "lanes", "future")
MIRRORED = [0, 1, 4, 5, 2, 3]  # roles with left and right exchanged
SEEN_M = 40.0  # another that is farther is as good as absent


class Linears(nn.Module):
    """A linear layer of each of G networks (G, B, C)."""

    def __init__(self, num: int, num_in: int, num_out: int, *, scale: float = 1.0) -> None:
        super().__init__()
        bound = scale / num_in**0.5
        self.weight = nn.Parameter(torch.empty(num, num_in, num_out).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(num, 1, num_out).uniform_(-bound, bound))

    def forward(self, x_GBC: torch.Tensor) -> torch.Tensor:
        """Each network's own."""
        return torch.baddbmm(self.bias, x_GBC, self.weight)


class Forecasters(nn.Module):
    """G networks side by side, each blind to the vehicles of one fold; about 4,400 parameters each.

    Each gives K futures in the agent's frame (G, B, K, F, 2) and how likely they are (G, B, K, logits). What it learns
    is how the future differs from constant velocity, as a smooth curve that begins at zero: with nothing learned it is
    constant velocity. Mode 0 is also the answer where only one is wanted.
    """

    curves_2F: torch.Tensor
    ahead_F: torch.Tensor

    def __init__(self, num: int, horizon: Mapping[str, float], *, width: int = 32, num_lane_channels: int = 8) -> None:
        super().__init__()
        self.num, self.hz, self.num_least = num, horizon["hz"], round(horizon["least_s"] * horizon["hz"])
        num_future = round(horizon["future_s"] * horizon["hz"])
        share_F = torch.arange(1, num_future + 1) / num_future
        self.register_buffer("curves_2F", torch.stack([share_F**2, share_F**3]))
        self.register_buffer("ahead_F", torch.arange(1, num_future + 1) / self.hz)
        num_seen = 6 + 5 * len(forecast.ROLES) + num_lane_channels
        self.lane = nn.Sequential(Linears(num, 20, 32), nn.ReLU(), Linears(num, 32, num_lane_channels), nn.ReLU())
        self.hidden = nn.Sequential(Linears(num, num_seen, width), nn.ReLU(), nn.Dropout(0.2))
        self.from_hidden = Linears(num, width, NUM_MODES * 5, scale=0.1)
        self.from_seen = Linears(num, num_seen, NUM_MODES * 5, scale=0.0)

    def forward(self, batch: Arrays) -> tuple[torch.Tensor, torch.Tensor]:
        """From history, others and lanes, as `dt.data.forecast.Window` describes them."""
        velocity_B2 = batch["history"][:, -1, 2:4]
        seen_BC = torch.cat([self._motion(batch["history"]), self._traffic(batch["others"], velocity_B2)], dim=1)
        seen_GBC = torch.cat([seen_BC.expand(self.num, -1, -1), self._lanes(batch["lanes"])], dim=2)
        out = self.from_hidden(self.hidden(seen_GBC)) + self.from_seen(seen_GBC)
        bend_GBK22 = 5 * out[..., NUM_MODES:].unflatten(2, (NUM_MODES, 2, 2))
        straight_BF2 = velocity_B2[:, None] * self.ahead_F[:, None]
        return straight_BF2[:, None] + torch.einsum("gbkdc,cf->gbkfd", bend_GBK22, self.curves_2F), out[..., :NUM_MODES]

    def _motion(self, history_BH5: torch.Tensor) -> torch.Tensor:
        """Speed, and acceleration over all of the history and over the least there is."""
        now_B2, rows = history_BH5[:, -1, 2:4], torch.arange(len(history_BH5), device=history_BH5.device)
        first_B = history_BH5[..., 4].argmax(dim=1)
        lasted_B1 = (history_BH5.shape[1] - 1 - first_B)[:, None] / self.hz
        over_all = (now_B2 - history_BH5[rows, first_B, 2:4]) / lasted_B1
        lately = (now_B2 - history_BH5[:, -1 - self.num_least, 2:4]) * self.hz / self.num_least
        speed_B1 = now_B2[:, :1]
        return torch.cat([speed_B1 / 10, torch.exp(-speed_B1 / 2), over_all / 2, lately / 2], dim=1)

    def _traffic(self, others_BR5: torch.Tensor, velocity_B2: torch.Tensor) -> torch.Tensor:
        """For each role how near it is and how fast the gap opens; zero where there is none."""
        gap_BR, is_there_BR = others_BR5[..., 0].abs(), others_BR5[..., 4]
        near_BR = (1 - gap_BR / SEEN_M).clamp(min=0) * is_there_BR
        opens_BR = (others_BR5[..., 2] - velocity_B2[:, :1]) / 5 * (near_BR > 0)
        close_BR = torch.exp(-gap_BR / 10) * is_there_BR
        return torch.cat([near_BR, close_BR, opens_BR, opens_BR * near_BR, 5 * opens_BR / gap_BR.clamp(min=5)], dim=1)

    def _lanes(self, lanes_BLP3: torch.Tensor) -> torch.Tensor:
        """What stands out among the pieces of lanes, whatever their order (G, B, C); zero where there is none."""
        is_there_BL = lanes_BLP3[:, :, 0, 2]
        points = (lanes_BLP3[..., :2].flatten(2) / 20).flatten(0, 1).expand(self.num, -1, -1)
        seen_GBLC = self.lane(points).unflatten(1, is_there_BL.shape)
        found: torch.Tensor = (seen_GBLC * is_there_BL[..., None]).amax(dim=2)
        return found


def loss_of(answers: tuple[torch.Tensor, torch.Tensor], future_BF2: torch.Tensor, fold_B: torch.Tensor) -> torch.Tensor:
    """Mean distance of mode 0 and of the best mode, and cross-entropy of which it is; no network sees its own fold."""
    modes, logits = answers
    distance_GBK = (modes - future_BF2[:, None]).norm(dim=4).mean(dim=3)
    best_GB = distance_GBK.argmin(dim=2)
    which_GB = functional.cross_entropy(logits.flatten(0, 1), best_GB.flatten(), reduction="none").view_as(best_GB)
    each_GB = distance_GBK[..., 0] + distance_GBK.amin(dim=2) + 0.3 * which_GB
    is_other_GB = torch.arange(len(modes), device=fold_B.device)[:, None] != fold_B
    total: torch.Tensor = (each_GB * is_other_GB).sum()
    return total / is_other_GB.sum().clamp(min=1)


def tensors(batch: Mapping[str, object], device: torch.device) -> dict[str, torch.Tensor]:
    """The parts of a batch, and the fold of each sample."""
    return {name: torch.as_tensor(batch[name]).to(device) for name in (*PARTS, "fold")}


def all_samples(dataset: dt.data.DataSet, fold_N: np.ndarray, device: torch.device) -> dict[str, torch.Tensor]:
    """Every sample of the data set as one batch."""
    rows = list(dataset.samples("train"))
    arrays = {part: np.stack([np.asarray(row.parts[f"{part}.npy"]) for row in rows]) for part in PARTS}
    return tensors({**arrays, "fold": fold_N.copy()}, device)


def with_mirror_images(batch: Arrays) -> dict[str, torch.Tensor]:
    """Each sample as it is and with left and right exchanged: the roads of both directions teach the same."""
    turned = {name: values.clone() for name, values in batch.items()}
    for name, axes in (("history", [1, 3]), ("others", [1, 3]), ("lanes", [1]), ("future", [1])):
        turned[name][..., axes] *= -1
    turned["others"] = turned["others"][:, MIRRORED]
    return {name: torch.cat([batch[name], turned[name]]) for name in batch}


def held_out_forecasts(run: dt.Run, forecasters: Forecasters, samples: Arrays) -> np.ndarray:
    """What the network of each sample's fold says of it (N, K, F, 2)."""
    forecasters.eval()
    found = []
    with run.phase("eval"), torch.no_grad(), run.averaged(forecasters), run.whole(forecasters):
        for rows in torch.split(torch.arange(len(samples["fold"]), device=run.device), 1024):
            modes, _ = forecasters({name: values[rows] for name, values in samples.items()})
            found.append(modes[samples["fold"][rows], torch.arange(len(rows))].cpu())
    forecasters.train()
    return np.asarray(torch.cat(found))


def scores(samples: Arrays, modes_NKF2: np.ndarray, columns: Mapping[str, np.ndarray], hz: float) -> Scores:
    """By slice, then by who forecasts: minADE, minFDE, miss rate and the number of samples."""
    history, future = samples["history"].cpu().numpy(), samples["future"].cpu().numpy()
    num_future = future.shape[1]
    forecasts = {
        "constant velocity": forecast.constant_velocity(history, num_future, hz=hz)[:, None],
        "constant turn rate": forecast.constant_turn_rate(history, num_future, hz=hz)[:, None],
        "network, 1 mode": modes_NKF2[:, :1],
        f"network, {NUM_MODES} modes": modes_NKF2,
    }
    errors = {name: forecast.errors(modes, future) for name, modes in forecasts.items()}
    chosen = {"all": np.ones(len(future), bool)}
    for column in ("scene", "way", "pace"):
        chosen |= {f"{column}: {value}": columns[column] == value for value in sorted(set(columns[column].tolist()))}
    return {name: {who: asdict(of_all.over(mask)) for who, of_all in errors.items()} for name, mask in chosen.items()}


def table(facts: Mapping[str, Any], num_samples: int, by_slice: Scores) -> str:
    """The scores for people: metres, and misses in per cent."""
    names = list(by_slice["all"])
    dropped = ", ".join(f"{number} x {reason}" for reason, number in facts["dropped"].items())
    lines = [
        f"{num_samples} samples of {facts['num_agents']} agents, each held out once in {facts['num_folds']} folds; "
        f"{facts['horizon']['future_s']:g} s ahead; left out: {dropped or 'nothing'}",
        f"{'':<28}{'':>8}" + "".join(f"{name:>24}" for name in names),
        f"{'slice':<28}{'samples':>8}" + f"{'minADE  minFDE  miss %':>24}" * len(names),
    ]
    for name, by_who in by_slice.items():
        cells = [f"{s['min_ade_m']:>8.2f}{s['min_fde_m']:>8.2f}{s['miss_pct']:>8.1f}" for s in by_who.values()]
        lines.append(f"{name[-27:]:<28}{by_who[names[0]]['num']:>8}" + "".join(cells))
    return "\n".join(lines)


def main() -> None:
    """Make samples, train, score what was held out, keep the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", nargs="+", help="recordings with tracks, or `synth`")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print the scores for programs")
    args = parser.parse_args()

    torch.set_num_threads(1)  # products so small are done sooner than threads are woken
    run = dt.Run(
        parallel="ddp", global_batch=64, clip=1.0, ema=0.99, checkpoint=dt.Checkpoint(every="100step"), seed=args.seed
    )
    with tempfile.TemporaryDirectory() as folder:  # each rank makes the same
        dataset = forecast.build_forecast([dt.data.open_log(log) for log in args.log], Path(folder) / "samples")
        facts = dataset.manifest.facts
        columns = {name: dataset.index[name].to_numpy() for name in ("scene", "way", "pace", "fold")}
        samples = all_samples(dataset, columns["fold"], run.device)
        forecasters = Forecasters(facts["num_folds"], facts["horizon"])
        loader = dt.data.Loader(dataset, global_batch=64, seed=args.seed, columns=("fold",))
        optimizer: torch.optim.Optimizer = torch.optim.AdamW(forecasters.parameters(), lr=2e-3, weight_decay=0.3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=args.steps)
        model, optimizer, batches = run.setup(forecasters, optimizer, loader, schedule=schedule)
        for batch in run.steps(batches, until=args.steps):
            both = with_mirror_images(tensors(batch, run.device))
            loss = loss_of(model(both), both["future"], both["fold"])
            run.step(loss)
            if run.is_main and run.step_index % 50 == 0:
                run.log(loss=loss)
        by_slice = scores(samples, held_out_forecasts(run, forecasters, samples), columns, facts["horizon"]["hz"])
    if run.is_main:
        result = {**facts, "num_samples": len(dataset), "slices": by_slice}
        run.keep("results.json", json.dumps(result).encode())
        print(json.dumps(result) if args.json else table(facts, len(dataset), by_slice))


if __name__ == "__main__":
    main()
