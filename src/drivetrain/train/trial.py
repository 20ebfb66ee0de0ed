"""A rank's part in a trial: the recipe with a few things otherwise, cut short, its loss and memory recorded.

`drivetrain tune` asks for it through the environment; a recipe is never edited. What is being tried is told on stderr.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import nn

from drivetrain.core import variables
from drivetrain.core.errors import ConfigError
from drivetrain.core.protocols import TunableLoader
from drivetrain.core.trials import CLOSING_LOSS, FACTS, PEAK_BYTES, TRAINING_LOSS, Facts, Trial
from drivetrain.ledger import Recorder
from drivetrain.train import precision, rivals
from drivetrain.train.position import Position
from drivetrain.train.settings import Settings

_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


class TrialPart:
    """What `Run` does otherwise while a trial is planned."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._facts: dict[str, Any] = {}
        self._train_until = self._close_from = 0  # known when the steps begin
        self._optimizer: torch.optim.Optimizer | None = None
        self._schedule: CompressedSchedule | None = None

    @classmethod
    def planned(cls, env: Mapping[str, str] = os.environ) -> TrialPart | None:
        """The trial that the environment asks for, if it does. Raises ConfigError: it cannot be read."""
        text = env.get(variables.TRIAL)
        return cls(Trial.parse(text)) if text else None

    def settings(self, chosen: Settings) -> Settings:
        """The recipe's settings with the trial's over them, and without checkpoints.

        Raises: ConfigError: there is no such setting, or not with this value.
        """
        known = [field.name for field in dataclasses.fields(Settings)]
        unknown = sorted(set(self._trial.settings) - set(known))
        if unknown:
            raise ConfigError(f"a trial sets {', '.join(unknown)}, but the settings are {', '.join(known)}")
        print(f"trial: {self._trial.changes()}", file=sys.stderr, flush=True)
        seed = chosen.seed + self._trial.seed_offset
        return dataclasses.replace(chosen, **{"checkpoint": None, "seed": seed, **self._trial.settings})

    def prepare(
        self, network: nn.Module, optimizer: torch.optim.Optimizer, loader: object, schedule: Any, settings: Settings
    ) -> tuple[torch.optim.Optimizer, Any]:
        """Change network and loader in place; returns the optimizer and the schedule to use.

        Raises: ConfigError: the trial asks for what this network, optimizer or loader does not have.
        """
        trial = self._trial
        self._facts = _facts_of(network, optimizer, loader, settings)
        if trial.channels_last:
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's types lack this form
        if trial.fused:
            _fuse(optimizer)
        if isinstance(loader, TunableLoader):
            loader.seed += trial.seed_offset
        if trial.threads is not None or trial.microbatch is not None:
            _tune(loader, trial)
        if trial.optimizer is not None:
            if settings.parallel not in ("auto", "single", "ddp"):
                raise ConfigError(f"optimizers are compared on whole weights, but parallel is {settings.parallel!r}")
            optimizer = rivals.make(trial.optimizer, network, optimizer, factor=trial.lr_factor, schedule=schedule)
        if trial.share != 1 and schedule is not None:
            schedule = self._schedule = CompressedSchedule(schedule, trial.share)
        self._optimizer = optimizer
        return optimizer, schedule

    def watch(
        self, update: Callable[[torch.Tensor], None], position: Position, recorder: Recorder
    ) -> Callable[[torch.Tensor], None]:
        """The same update, which also records each step's loss; after the training steps it holds the weights.

        A trial that makes only a share of the steps passes by the batches of the others: all end on the same samples.
        Reading the loss waits for the device, so that steps take the time that their work takes.
        """
        losses: list[torch.Tensor] = []

        def watched(loss: torch.Tensor) -> None:
            step, trains = position.step, position.step < self._train_until
            losses.append(loss.detach())
            if trains:
                update(loss)
            else:
                _pass_by(position)
            if position.step == step:
                return
            mean = sum(float(value) for value in losses) / len(losses)
            losses.clear()
            if trains or step >= self._close_from:
                recorder.log(step, {TRAINING_LOSS if trains else CLOSING_LOSS: mean})
            if position.step == self._train_until:
                rivals.hold(self._optimizer)

        return watched

    def steps(
        self,
        begin: Callable[[int], Iterator[Any]],
        until: int,
        *,
        position: Position,
        device: torch.device,
        recorder: Recorder,
        keep: Callable[[str, bytes], None],
    ) -> Iterator[Any]:
        """The trial's steps in place of the recipe's; after the last the process ends, whatever the recipe does next.

        Args:
          begin: gives microbatches until as many steps as it is told.
          until: number of steps in the recipe.
        """
        trial = self._trial
        most = until if trial.num_steps is None else min(until, trial.num_steps)
        self._train_until = max(1, round(most * trial.share))
        self._close_from = max(most, self._train_until)
        if self._schedule is not None:
            self._schedule.num_steps = most
        facts = Facts(num_microbatches=position.num_microbatches, num_steps=until, **self._facts)
        keep(FACTS, msgspec.json.encode(facts))
        yield from begin(self._close_from + trial.num_closing)
        recorder.log(position.step, {PEAK_BYTES: float(_peak_bytes(device))})
        raise SystemExit(0)


class CompressedSchedule:
    """A learning rate schedule that comes to its end within a share of its steps (or takes longer, above 1)."""

    def __init__(self, schedule: Any, share: float) -> None:
        self.num_steps = sys.maxsize  # the schedule's whole length, once it is known
        self._schedule, self._share = schedule, share
        self._num_made = self._num_passed = 0

    def step(self) -> None:
        """One step of training; the schedule moves by as many of its own as that stands for."""
        self._num_made += 1
        due = min(round(self._num_made / self._share), self.num_steps)
        while self._num_passed < due:
            self._schedule.step()
            self._num_passed += 1


def _facts_of(
    network: nn.Module, optimizer: torch.optim.Optimizer, loader: object, settings: Settings
) -> dict[str, Any]:
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    tunable = loader if isinstance(loader, TunableLoader) else None
    workers = loader.num_workers if isinstance(loader, torch.utils.data.DataLoader) else None
    return {
        "device": device.type,
        "settings": settings.plain(),
        "precision": precision.resolve(settings.precision, device),
        "optimizer": type(optimizer).__name__,
        "is_fused": bool(optimizer.defaults["fused"]) if "fused" in optimizer.defaults else None,
        "num_convolutions": sum(isinstance(module, _CONVOLUTIONS) for module in network.modules()),
        "loader": type(loader).__name__,
        "threads": tunable.threads if tunable is not None else workers,
        "microbatch": tunable.microbatch if tunable is not None else None,
    }


def _fuse(optimizer: torch.optim.Optimizer) -> None:
    if "fused" not in optimizer.defaults:
        raise ConfigError(f"{type(optimizer).__name__} has no fused form")
    for group in optimizer.param_groups:
        group.update(fused=True, foreach=False)


def _tune(loader: object, trial: Trial) -> None:
    if isinstance(loader, TunableLoader):
        loader.threads = loader.threads if trial.threads is None else trial.threads
        loader.microbatch = loader.microbatch if trial.microbatch is None else trial.microbatch
    elif isinstance(loader, torch.utils.data.DataLoader) and trial.microbatch is None and trial.threads is not None:
        loader.num_workers = trial.threads
        loader.prefetch_factor = 2 if trial.threads else None
    else:
        raise ConfigError(f"threads and microbatch of a {type(loader).__name__} cannot be set")


def _pass_by(position: Position) -> None:
    """A microbatch is taken in and changes nothing."""
    position.taken += 1
    if position.taken == position.num_microbatches:
        position.step += 1
        position.given = position.taken = 0


def _peak_bytes(device: torch.device) -> int:
    """The most memory this rank ever held: on an accelerator its tensors, on the CPU the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return 0
