"""When further training no longer helps, judged by a metric of the evaluations; the judgement survives a restart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from drivetrain.core.errors import ConfigError, UsageError

Mode = Literal["min", "max"]


@dataclass(frozen=True, slots=True)
class EarlyStop:
    """Stop `fit` when a metric has not become better for some evaluations.

    Attributes:
      metric: one of those that `evaluate` returns.
      patience: evaluations in a row without a better value after which training ends; at least 1.
      min_delta: by how much a value must be better than the best one to count as better; at least 0.
      mode: whether smaller (`min`) or larger (`max`) is better.
    """

    metric: str
    patience: int = 3
    min_delta: float = 0.0
    mode: Mode = "min"

    def __post_init__(self) -> None:
        if not isinstance(self.metric, str) or not self.metric:
            raise ConfigError(f"EarlyStop.metric is {self.metric!r}, but must name a metric that evaluate returns")
        if not isinstance(self.patience, int) or isinstance(self.patience, bool) or self.patience < 1:
            raise ConfigError(f"EarlyStop.patience is {self.patience!r}, but must be a whole number of at least 1")
        if not isinstance(self.min_delta, int | float) or not 0 <= self.min_delta < math.inf:
            raise ConfigError(f"EarlyStop.min_delta is {self.min_delta!r}, but must be a number of at least 0")
        if self.mode not in get_args(Mode):
            raise ConfigError(f"EarlyStop.mode is {self.mode!r}, but must be one of {', '.join(get_args(Mode))}")


class Evaluations:
    """What the evaluations of a run have come to; its state goes into every checkpoint.

    Attributes:
      latest: metrics of the last evaluation; empty before the first.
      at_step: how many steps were done then; -1 before the first.
      best: the best value of the watched metric; None before the first that is a number, or when none is watched.
      best_step: how many steps were done then; -1 while there is none.
      num_worse: evaluations since the best one.
    """

    def __init__(self, stop: EarlyStop | None) -> None:
        self._stop = stop
        self.latest: dict[str, float] = {}
        self.at_step = -1
        self.best: float | None = None
        self.best_step = -1
        self.num_worse = 0

    @property
    def is_enough(self) -> bool:
        """Whether training should end."""
        return self._stop is not None and self.num_worse >= self._stop.patience

    def take(self, step: int, metrics: Mapping[str, float]) -> None:
        """Take in an evaluation after `step` steps. A value that is not a number counts as no better.

        Raises: UsageError: the watched metric is not among them.
        """
        self.latest, self.at_step = dict(metrics), step
        if self._stop is None:
            return
        if self._stop.metric not in metrics:
            raise UsageError(
                f"EarlyStop watches {self._stop.metric!r}, but evaluate returned {', '.join(metrics) or 'nothing'}",
                hint="name one of those, or return it",
            )
        value = metrics[self._stop.metric]
        if self._is_better(value, self._stop):
            self.best, self.best_step, self.num_worse = value, step, 0
        else:
            self.num_worse += 1

    def state_dict(self) -> dict[str, Any]:
        """All of it, plain."""
        names = ("latest", "at_step", "best", "best_step", "num_worse")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state: Mapping[str, Any], /) -> None:
        """Go on from a saved state."""
        for name, value in state.items():
            setattr(self, name, value)

    def _is_better(self, value: float, stop: EarlyStop) -> bool:
        if not math.isfinite(value) or self.best is None:
            return math.isfinite(value)
        gain = self.best - value if stop.mode == "min" else value - self.best
        return gain > stop.min_delta
