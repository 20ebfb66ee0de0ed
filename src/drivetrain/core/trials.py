"""A trial of a recipe: what it does otherwise than the recipe says, written as text, so that no file is edited."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import msgspec

from drivetrain.core import config, variables
from drivetrain.core.errors import ConfigError

Rival = Literal["adamw", "muon", "schedulefree"]

FACTS = "trial.json"
"""Under this name a trial keeps what it found out about recipe and machine (`Facts`)."""
TRAINING_LOSS, CLOSING_LOSS, PEAK_BYTES = "trial/loss", "trial/closing_loss", "trial/peak_bytes"
"""Under these names each rank of a trial logs its loss of each step, and at the end the most memory it ever held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one trial changes; as it is made here it changes nothing but how far a run goes.

    Attributes:
      settings: fields of `train.Settings` to replace.
      channels_last: lay out the weights of convolutions channels last.
      fused: let the optimizer update all weights in one kernel.
      threads: loader threads (of a torch DataLoader: workers); None leaves them.
      microbatch: samples per microbatch of a rank; None leaves it.
      optimizer: which one takes the place of the recipe's; None leaves it.
      lr_factor: its learning rate as a multiple of the recipe's.
      seed_offset: added to the seed of the run and to that of a loader of dt.data.
      num_steps: steps that train, where the recipe has as many; None trains to the recipe's end.
      share: of those steps, the share that is made; the schedule of the learning rate is compressed to end with them.
      num_closing: further steps whose loss is taken with the weights held, so that trials end on the same samples.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    channels_last: bool = False
    fused: bool = False
    threads: int | None = None
    microbatch: int | None = None
    optimizer: Rival | None = None
    lr_factor: float = 1.0
    seed_offset: int = 0
    num_steps: int | None = None
    share: float = 1.0
    num_closing: int = 8

    def __post_init__(self) -> None:
        if self.num_closing < 1 or (self.num_steps is not None and self.num_steps < 1):
            raise ConfigError(f"num_steps={self.num_steps} and num_closing={self.num_closing} must be 1 or more")
        if self.share <= 0 or self.lr_factor <= 0:
            raise ConfigError(f"share={self.share} and lr_factor={self.lr_factor} must be above 0")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `text` gives. Raises ConfigError: it is not JSON, or has an unknown key or a value out of range."""
        try:
            values = msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.DecodeError as exc:
            raise ConfigError(f"{variables.TRIAL} is {text!r}: {exc}") from exc
        return config.load(cls, values, where=variables.TRIAL)

    def text(self) -> str:
        """As JSON."""
        return msgspec.json.encode(self).decode()

    def joined(self, other: Trial) -> Trial:
        """Both changes at once; where they disagree, the other's holds. Steps and seed stay as they are here."""
        return replace(
            self,
            settings={**self.settings, **other.settings},
            channels_last=self.channels_last or other.channels_last,
            fused=self.fused or other.fused,
            threads=self.threads if other.threads is None else other.threads,
            microbatch=self.microbatch if other.microbatch is None else other.microbatch,
            optimizer=other.optimizer or self.optimizer,
            lr_factor=self.lr_factor * other.lr_factor,
            share=self.share * other.share,
        )

    def changes(self) -> str:
        """What it changes, for people: `precision=bf16, fused`; `as it is` where nothing is."""
        words = [f"{name}={value}" for name, value in sorted(self.settings.items())]
        words += [word for word in ("channels_last", "fused") if getattr(self, word)]
        words += [f"{n}={v}" for n in ("threads", "microbatch", "optimizer") if (v := getattr(self, n)) is not None]
        words += [f"lr x {self.lr_factor:g}"] if self.lr_factor != 1 else []
        return ", ".join(words) or "as it is"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What decides which changes apply to a recipe, as a trial of it found it; kept with the trial as JSON.

    Attributes:
      device: type of the device, `cpu` or `cuda`.
      settings: the run's, as the recipe and the trial made them.
      precision: what the forward pass uses.
      optimizer: class of the recipe's.
      is_fused: whether it updates all weights in one kernel; None where it cannot.
      num_convolutions: layers that channels-last could make faster.
      loader: class of the recipe's.
      threads: its threads (of a torch DataLoader: workers); None where it has none to set.
      microbatch: samples in a microbatch of a rank; None where it cannot be set or is the rank's whole part.
      num_microbatches: of one step.
      num_steps: to which the recipe trains.
    """

    device: str
    settings: dict[str, Any]
    precision: str
    optimizer: str
    is_fused: bool | None
    num_convolutions: int
    loader: str
    threads: int | None
    microbatch: int | None
    num_microbatches: int
    num_steps: int
