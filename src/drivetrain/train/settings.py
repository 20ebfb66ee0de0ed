"""What a user may choose for a run, checked when it is written and not when it is used."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from drivetrain.core.errors import ConfigError
from drivetrain.core.units import Every, parse_duration_ns, parse_every
from drivetrain.store import Retention
from drivetrain.store import Tier as Tier
from drivetrain.train import exits

Precision = Literal["auto", "fp32", "bf16", "fp16", "fp8"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """When a run saves itself, where, and which of the saved states stay.

    Attributes:
      every: an interval in steps (`50step`: at every multiple of it) or in time (`10m`: at the nearest end of a step).
      keep: how many complete ones to keep, newest first; at least 1. The newest with finite weights always stays.
      keep_every: also keep, for good, the first of each so many steps (`1000step`) or so much time (`1h`).
      best: also keep the one at which this metric of `run.log` was best; rank 0's last value before the save counts.
      mode: whether less of it is better, or more.
      to: a path, `file://`, `s3://bucket/prefix`, `gs://` or `az://`, where each run has a folder; empty: with the run.
      wait: train on only when the checkpoint is complete. Otherwise a process of its own writes it meanwhile, which
        takes as much memory again as what is saved; at most one save is in flight, the next one waits for it.
      failures: how many saves in a row may fail before training ends with that error.
      patience: how long to try a bucket that does not answer before a save counts as failed.
    """

    every: str = "10m"
    keep: int = 3
    keep_every: str = ""
    best: str = ""
    mode: Literal["min", "max"] = "min"
    to: str = ""
    wait: bool = False
    failures: int = 0
    patience: str = "5m"

    def __post_init__(self) -> None:
        exits.install()  # a script makes this before its dt.Run, and what is wrong in it is to end in one line too
        for field in ("every", "keep_every")[: 2 if self.keep_every else 1]:
            try:
                parse_every(getattr(self, field))
            except (ValueError, TypeError) as exc:
                raise ConfigError(
                    f"Checkpoint.{field}: {exc}", hint=f'write {field}="50step" or {field}="10m"'
                ) from exc
        _whole("Checkpoint.keep", self.keep, at_least=1)
        _whole("Checkpoint.failures", self.failures, at_least=0)
        _one_of("Checkpoint.mode", self.mode, ("min", "max"))
        for field in ("best", "to"):
            if not isinstance(getattr(self, field), str):
                raise ConfigError(f"Checkpoint.{field} is {getattr(self, field)!r}, but must be text")
        try:
            parse_duration_ns(self.patience)
        except (ValueError, TypeError) as exc:
            raise ConfigError(f"Checkpoint.patience: {exc}", hint='write patience="5m"') from exc

    @property
    def interval(self) -> Every:
        """`every` as a value."""
        return parse_every(self.every)

    @property
    def retention(self) -> Retention:
        """Which checkpoints stay, as a value."""
        return Retention(self.keep, parse_every(self.keep_every) if self.keep_every else None, self.best, self.mode)

    @property
    def patience_ns(self) -> int:
        """`patience` as a value."""
        return parse_duration_ns(self.patience)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fsdp:
    """How a model is divided among ranks; what `parallel="fsdp"` and `"hsdp"` stand for.

    Attributes:
      replicate: copies of the model; each is divided among world size / copies ranks next to each other.
      reshard: whether a block's gathered weights are freed after its forward and gathered again for its backward; a
        number keeps them divided among that many ranks in between.
      wrap: which modules are gathered one at a time: `auto` takes repeated blocks, as in a ModuleList; else names of
        classes, or the least number of parameters.
      offload: keep weights and optimizer state in host memory, and compute on the accelerator.
    """

    replicate: int = 1
    reshard: bool | int = True
    wrap: Literal["auto"] | int | Sequence[str] = "auto"
    offload: bool = False

    def __post_init__(self) -> None:
        exits.install()
        _whole("Fsdp.replicate", self.replicate, at_least=1)
        if not isinstance(self.reshard, bool):
            _whole("Fsdp.reshard", self.reshard, at_least=2)
        if isinstance(self.wrap, list | tuple) and self.wrap and all(isinstance(name, str) for name in self.wrap):
            object.__setattr__(self, "wrap", tuple(self.wrap))
        elif self.wrap != "auto":
            if isinstance(self.wrap, str):
                raise ConfigError(
                    f"Fsdp.wrap is {self.wrap!r}", hint=f'write wrap=["{self.wrap}"] for names of classes'
                )
            _whole("Fsdp.wrap", self.wrap, at_least=1)
        if not isinstance(self.offload, bool):
            raise ConfigError(f"Fsdp.offload is {self.offload!r}, but must be True or False")


Recompute = Literal["none", "selective", "full"]
_ParallelName = Literal["auto", "single", "ddp", "fsdp", "hsdp"]
Parallel = _ParallelName | Fsdp


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """What to do about a step whose loss or gradient is not finite, or whose loss is far out of the ordinary.

    Such a step's update is skipped: weights, optimizer, averages and buffers stay as they were, the schedule moves on.

    Attributes:
      skip: how many steps in a row may be skipped; the next one leads to `then`.
      then: `rollback` goes back to the newest checkpoint, without leaving the process, and goes the same way again but
        for the last update before everything went wrong; where that does not help, the run stops. `stop` stops.
      spike: how many robust standard deviations above the median of recent losses is too high, such as 8; None takes
        any finite loss.
    """

    skip: int = 3
    then: Literal["rollback", "stop"] = "rollback"
    spike: float | None = None

    def __post_init__(self) -> None:
        exits.install()
        _whole("Anomaly.skip", self.skip, at_least=0)
        _one_of("Anomaly.then", self.then, ("rollback", "stop"))
        if self.spike is not None and not (_is_number(self.spike) and 3 <= self.spike < math.inf):
            raise ConfigError(
                f"Anomaly.spike is {self.spike!r}, but must be a number of at least 3",
                hint="it counts robust standard deviations; write spike=8, or None to take any finite loss",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The choices of one run, as `dt.Run` takes them.

    Attributes:
      parallel: `ddp` copies the model to every rank; `fsdp` divides it among them, `hsdp` inside each node; `auto` is
        `ddp` when there are several ranks, and one rank has a plain model in any case. `Fsdp` has the details.
      recompute: what a backward needs of each block is worked out again instead of kept: all of it (`full`), or all but
        the results of matrix products (`selective`). Less memory, more time, the same bits.
      compile: run the model through `torch.compile`; what it compiles is kept with the run and used when it restarts.
      precision: of the forward pass; `auto` is bf16 on an accelerator that has it, else fp32. Weights stay float32.
        `fp16` scales the loss, as its gradients would vanish, and looks at every gradient as `anomaly` does. `fp8` is
        for the products of large linear layers, by torchao, where the accelerator has it; all else is then bf16.
      global_batch: samples of one step over all ranks; None takes one batch of the loader per rank.
      clip: largest norm of the whole gradient; None leaves it.
      checkpoint: when to save; None never saves, and a restart begins from step 0.
      ema: decay of a moving average of the weights, such as 0.999; None keeps none.
      anomaly: what to do about numbers that go wrong; None does not look at them.
      deterministic: whether operations that may give different results each time are refused or replaced, which can be
        slower; holds for the whole process until the run is closed.
      seed: of every random number generator of every rank.
      device: `auto`, or a torch device such as `cpu` or `cuda:1`.
      name: what people call the run, where no launcher has named it.
    """

    parallel: Parallel = "auto"
    recompute: Recompute = "none"
    compile: bool = False
    precision: Precision = "auto"
    global_batch: int | None = None
    clip: float | None = None
    checkpoint: Checkpoint | None = None
    ema: float | None = None
    anomaly: Anomaly | None = None
    deterministic: bool = False
    seed: int = 0
    device: str = "auto"
    name: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.parallel, Fsdp):
            _one_of("parallel", self.parallel, get_args(_ParallelName))
        _one_of("recompute", self.recompute, get_args(Recompute))
        if not isinstance(self.compile, bool):
            raise ConfigError(f"compile is {self.compile!r}, but must be True or False")
        _one_of("precision", self.precision, get_args(Precision))
        if self.global_batch is not None:
            _whole("global_batch", self.global_batch, at_least=1)
        if self.clip is not None and not (_is_number(self.clip) and 0 < self.clip < math.inf):
            raise ConfigError(f"clip is {self.clip!r}, but a gradient norm must be a number above 0")
        if self.checkpoint is not None and not isinstance(self.checkpoint, Checkpoint):
            raise ConfigError(f"checkpoint is {self.checkpoint!r}", hint='write dt.Checkpoint(every="10m", keep=3)')
        if self.ema is not None and not (_is_number(self.ema) and 0 < self.ema < 1):
            raise ConfigError(f"ema is {self.ema!r}, but a decay must lie between 0 and 1, such as 0.999")
        _check_anomaly(self.anomaly, self.checkpoint)
        if not isinstance(self.deterministic, bool):
            raise ConfigError(f"deterministic is {self.deterministic!r}, but must be True or False")
        _whole("seed", self.seed, at_least=0)
        for field in ("device", "name"):
            if not isinstance(getattr(self, field), str):
                raise ConfigError(f"{field} is {getattr(self, field)!r}, but must be text")

    def plain(self) -> dict[str, object]:
        """The choices as JSON has them."""
        return dataclasses.asdict(self)


def _check_anomaly(anomaly: object, checkpoint: object) -> None:
    if anomaly is None:
        return
    if not isinstance(anomaly, Anomaly):
        raise ConfigError(f"anomaly is {anomaly!r}", hint='write dt.Anomaly(skip=3, then="rollback")')
    if anomaly.then == "rollback" and checkpoint is None:
        raise ConfigError(
            "anomaly would go back to a checkpoint (then='rollback'), but checkpoint is None",
            hint='add checkpoint=dt.Checkpoint(every="10m"), or write dt.Anomaly(then="stop")',
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _one_of(field: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"{field} is {value!r}, but must be one of {', '.join(choices)}")


def _whole(field: str, value: object, *, at_least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
        raise ConfigError(f"{field} is {value!r}, but must be a whole number of at least {at_least}")
