"""What is to be profiled, as text that people write and a value; and the way from a loop to whatever profiles it."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct

from drivetrain.core.errors import ConfigError
from drivetrain.core.protocols import Profiler

MOST_STEPS = 1000
"""Of one profile: a trace holds every event of its steps, in memory until they are over."""

_CAPTURE = "drivetrain.profile.capture"
_HINT = 'write "steps=20:23" or "steps=3", then where wanted "ranks=0,1" or "ranks=all", "memory", "stacks"'


class ProfileSpec(Struct, frozen=True, kw_only=True):
    """Which steps of which ranks, and what is recorded besides operators and kernels.

    Attributes:
      num_steps: how many steps.
      first: the first of them, counted from the beginning of the run; None takes the next ones.
      ranks: which; None takes all.
      memory: record each allocation, and on an accelerator a snapshot of the allocator with its history.
      stacks: sample what all Python threads do.
    """

    num_steps: int
    first: int | None = None
    ranks: tuple[int, ...] | None = (0,)
    memory: bool = False
    stacks: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.num_steps <= MOST_STEPS:
            raise ConfigError(f"a profile has 1 to {MOST_STEPS} steps, but was asked for {self.num_steps}", hint=_HINT)
        if self.ranks is not None and not self.ranks:
            raise ConfigError("a profile of no rank", hint=_HINT)

    @classmethod
    def parse(cls, text: str) -> ProfileSpec:
        """Read `steps=20:23 ranks=0,1 memory stacks`; words are parted by spaces or commas.

        `steps=20:23` are those of range(20, 23), `steps=3` the next three. Rank 0 alone unless `ranks=` says others.
        Raises: ConfigError: it is something else; names the word.
        """
        found: dict[str, Any] = {}
        for word in re.sub(r",\s*(?=\d)", "+", text).replace(",", " ").split():
            name, _, value = word.partition("=")
            read = _READERS.get(name)
            if read is None or name in found:
                wrong = "twice" if read else "no word of a profile"
                raise ConfigError(f"{text!r}: {name!r} is {wrong}", hint=_HINT)
            found[name] = read(value)
            if found[name] is None:
                raise ConfigError(f"{text!r}: {word.replace('+', ',')!r} cannot be read", hint=_HINT)
        if "steps" not in found:
            raise ConfigError(f"{text!r} does not say which steps", hint=_HINT)
        first, num_steps = found["steps"]
        ranks = found.get("ranks", (0,))
        return cls(
            first=first,
            num_steps=num_steps,
            ranks=ranks or None,
            memory="memory" in found,
            stacks="stacks" in found,
        )

    @property
    def text(self) -> str:
        """What `parse` reads."""
        first = self.first
        words = [f"steps={self.num_steps}" if first is None else f"steps={first}:{first + self.num_steps}"]
        if self.ranks != (0,):
            words.append("ranks=" + ("all" if self.ranks is None else ",".join(map(str, self.ranks))))
        return " ".join(words + [name for name in ("memory", "stacks") if getattr(self, name)])

    def takes(self, rank: int) -> bool:
        """Whether this rank is among those to be profiled."""
        return self.ranks is None or rank in self.ranks

    @property
    def speaker(self) -> int:
        """The rank that measures what is the same on all: the first of them."""
        return 0 if self.ranks is None else min(self.ranks)


def _steps(value: str) -> tuple[int | None, int] | None:
    match = re.fullmatch(r"(?:(\d{1,15}):)?(\d{1,15})", value)
    if match is None:
        return None
    return (None, int(match[2])) if match[1] is None else (int(match[1]), int(match[2]) - int(match[1]))


def _ranks(value: str) -> tuple[int, ...] | None:
    """Sorted; empty for all, None where it cannot be read."""
    if value == "all":
        return ()
    if re.fullmatch(r"\d{1,9}(\+\d{1,9})*", value) is None:
        return None
    return tuple(sorted({int(part) for part in value.split("+")}))


def _flag(value: str) -> bool | None:
    return None if value else True


_READERS: dict[str, Callable[[str], Any]] = {"steps": _steps, "ranks": _ranks, "memory": _flag, "stacks": _flag}


class Subject(Struct, frozen=True, kw_only=True):
    """A rank to be profiled, as its loop knows it.

    Attributes:
      folder: where files go.
      journal: of this attempt of this rank; how long steps took before is read from it.
      attempt: which try of the run.
      rank: this one.
      device: as torch names it.
      precision: of the forward pass, as train resolves it: fp32, bf16, fp16, fp8.
      is_compiled: whether the model is run through `torch.compile`.
      share: of the samples of a step, what this rank takes; above 0, at most 1.
      phase: of the ledger, in which the loop is when it calls; empty for none.
      model: the user's network, a torch module; None where nobody knows it.
      optimizer: a torch optimizer; likewise.
      recorder: this rank's ledger.Recorder.
    """

    folder: Path
    journal: Path
    attempt: int
    rank: int
    device: str
    precision: str
    is_compiled: bool
    share: float
    phase: str
    model: Any
    optimizer: Any
    recorder: Any


def open_profiler(
    subject: Subject, spec: ProfileSpec, steps: range, request: str, is_wanted: Callable[[], bool]
) -> Profiler:
    """A profiler of these steps, imported when the first one is made. See `profile.capture`.

    Args:
      request: the id of what was asked; kept with the files.
      is_wanted: asked before files are published, in another thread.
    """
    profiler: Profiler = importlib.import_module(_CAPTURE).Capture(subject, spec, steps, request, is_wanted)
    return profiler
