"""Trials that never ran: values as real ones would have measured them."""

from __future__ import annotations

import random
from collections.abc import Callable

from drivetrain.bench.measure import Measured
from drivetrain.bench.trials import Failed
from drivetrain.core.trials import Facts, Trial


def measured(step_s: float = 0.1, closing_loss: float = 1.0, num_steps: int = 40, peak_bytes: int = 1000) -> Measured:
    losses = tuple(closing_loss * (1 + 1 / (1 + step)) for step in range(num_steps))
    return Measured(
        step_s=step_s,
        num_warmup=2,
        startup_s=0.5,
        wait_share=0.1,
        losses=losses,
        closing_loss=closing_loss,
        peak_bytes=peak_bytes,
    )


def facts(**changed: object) -> Facts:
    values: dict[str, object] = {
        "device": "cpu",
        "settings": {"precision": "fp32", "compile": False, "recompute": "none"},
        "precision": "fp32",
        "optimizer": "AdamW",
        "is_fused": False,
        "num_convolutions": 3,
        "loader": "Loader",
        "threads": 2,
        "microbatch": 4,
        "num_microbatches": 2,
        "num_steps": 300,
    }
    return Facts(**{**values, **changed})  # type: ignore[arg-type]  # any of them may be changed


class Lab:
    """Runs trials without running anything; remembers their names, and keeps a clock of its own.

    Args:
      effects: by name, what a trial measures from the plain step time and loss, given its seed; a text is a failure.
    """

    def __init__(self, effects: dict[str, Callable[[int], Measured] | str], seconds_each: float = 1.0) -> None:
        self.effects, self.seconds_each = effects, seconds_each
        self.names: list[str] = []
        self.trials: list[Trial] = []
        self.now_s = 0.0

    def run(self, name: str, trial: Trial) -> Measured | Failed:
        self.names.append(name)
        self.trials.append(trial)
        self.now_s += self.seconds_each
        effect = self.effects.get(name, lambda _: measured())
        return Failed(effect) if isinstance(effect, str) else effect(trial.seed_offset)


def noisy(step_s: float, closing_loss: float = 1.0, noise: float = 0.01, seed: int = 0) -> Callable[[int], Measured]:
    source = random.Random(seed)
    return lambda offset: measured(
        step_s * (1 + source.gauss(0, noise)), closing_loss * (1 + 0.1 * offset) * (1 + source.gauss(0, noise / 10))
    )
