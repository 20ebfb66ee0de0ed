"""Optimizers against the recipe's own, after equally many steps and after equal time, each to its schedule's end."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from drivetrain.bench.compare import Pair
from drivetrain.bench.contest import PLAIN, Entry, RunTrial, mirrored
from drivetrain.bench.measure import Measured
from drivetrain.bench.stats import Interval, ratio_interval, relative_change, t_interval
from drivetrain.bench.trials import Failed, StoppedError
from drivetrain.core.errors import RunFailedError, UsageError
from drivetrain.core.trials import Rival, Trial

FALSE_ALARMS = 0.05
"""Chance that any optimizer of one table is called better or worse though all are equal."""
_NO_DIFFERENCE = 0.98  # of the steps: an optimizer that would make more of them in equal time makes them all
_MOST_SEEDS = 12


@dataclass(frozen=True, slots=True)
class Contender:
    """An optimizer to try.

    Attributes:
      optimizer: which.
      lr_factor: its learning rate as a multiple of the recipe's.
    """

    optimizer: Rival
    lr_factor: float = 1.0

    @property
    def name(self) -> str:
        """As people write it: `muon`, `schedulefree@3`."""
        return self.optimizer if self.lr_factor == 1 else f"{self.optimizer}@{self.lr_factor:g}"

    @classmethod
    def parse(cls, text: str) -> Contender:
        """Read `muon` or `schedulefree@3`. Raises UsageError: it is neither."""
        name, at, factor = text.strip().partition("@")
        try:
            number = float(factor) if at else 1.0
        except ValueError:
            number = math.nan
        if name not in get_args(Rival) or not 0 < number < math.inf:
            raise UsageError(
                f"{text!r} is no optimizer to try", hint=f"one of {', '.join(get_args(Rival))}; with its rate: muon@0.5"
            )
        return cls(name, number)  # type: ignore[arg-type]  # it is one of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How an optimizer stands against the recipe's own. Changes of the loss are shares of the recipe's.

    Attributes:
      name: the optimizer.
      verdict: on the loss after equal time.
      why: where the verdict needs words.
      num_seeds: how many seeds it rests on.
      step_ratio: of step times, over the recipe's.
      memory_ratio: of peak memory; median over seeds.
      loss_at_steps: change of the closing loss after all steps of the recipe.
      loss_at_time: the same after as much time of training as the recipe takes.
      share: of the recipe's steps, those made in that time, the schedule compressed to end with them.
    """

    name: str
    verdict: Literal["better", "worse", "cannot tell", "failed"]
    why: str = ""
    num_seeds: int = 0
    step_ratio: Interval | None = None
    memory_ratio: float = math.nan
    loss_at_steps: Interval | None = None
    loss_at_time: Interval | None = None
    share: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rivalry:
    """What the comparison has shown.

    Attributes:
      plain: the recipe with its own optimizer, of the first seed.
      num_seeds: seeds begun.
      level: of each interval, so that all of the table hold together with 95 %.
      standings: one for each optimizer.
      is_stopped: whether a person ended it early.
      failure: why the recipe as it is failed with a later seed, which ended the comparison; empty otherwise.
    """

    plain: Measured
    num_seeds: int
    level: float
    standings: list[Standing]
    is_stopped: bool
    failure: str


class Arena:
    """Runs recipe and contenders to the end of the schedule, seed after seed, within a time."""

    def __init__(self, run: RunTrial, *, now_s: Callable[[], float], budget_s: float, num_closing: int = 16) -> None:
        """Prepare; starts nothing. `num_closing` as in `core.trials.Trial`."""
        self._run, self._now_s = run, now_s
        self._until_s = now_s() + budget_s
        self._base = Trial(num_closing=num_closing)
        self._seeds: list[dict[str, Measured]] = []
        self._timed: list[dict[str, Measured]] = []
        self._shares: dict[str, float] = {}
        self._failed: dict[str, str] = {}

    def run(self, contenders: Sequence[Contender]) -> Rivalry:
        """Compare until the time is up; a seed is begun only when it should be over in time, the first always.

        Raises:
          RunFailedError: the recipe as it is does not run.
          StoppedError: a person stopped it before anything was known.
        """
        entries = [Entry(c.name, Trial(optimizer=c.optimizer, lr_factor=c.lr_factor)) for c in contenders]
        is_stopped = False
        last_s = 0.0
        while len(self._seeds) < _MOST_SEEDS and (not self._seeds or self._now_s() + last_s <= self._until_s):
            began_s = self._now_s()
            try:
                self._run_seed(entries)
            except StoppedError:
                if PLAIN not in self._seeds[0]:
                    raise
                is_stopped = True
                break
            if PLAIN in self._failed or all(entry.name in self._failed for entry in entries):
                break
            last_s = self._now_s() - began_s
        level = 1 - FALSE_ALARMS / max(1, len(entries))
        standings = [self._standing(entry.name, level) for entry in entries]
        return Rivalry(
            plain=self._seeds[0][PLAIN],
            num_seeds=len(self._seeds),
            level=level,
            standings=standings,
            is_stopped=is_stopped,
            failure=self._failed.get(PLAIN, ""),
        )

    def _run_seed(self, entries: Sequence[Entry]) -> None:
        """All to the recipe's last step, then those that are slower once more within the recipe's time."""
        number = len(self._seeds)
        self._seeds.append({})
        self._timed.append({})
        self._try([Entry(PLAIN, Trial()), *entries], number, self._seeds[number])
        if PLAIN in self._failed and not number:
            raise RunFailedError(f"the recipe as it is does not run: {self._failed[PLAIN]}")
        if not number:
            plain_s = self._seeds[0][PLAIN].step_s
            self._shares = {name: min(1.0, plain_s / run.step_s) for name, run in self._seeds[0].items()}
        slower = [e for e in entries if self._shares.get(e.name, 1.0) < _NO_DIFFERENCE]
        cut = [replace(e, trial=replace(e.trial, share=self._shares[e.name])) for e in slower]
        self._try(cut, number, self._timed[number])

    def _try(self, entries: Sequence[Entry], number: int, found: dict[str, Measured]) -> None:
        for entry in mirrored(entries, number):
            if entry.name in self._failed:
                continue
            measured = self._run(entry.name, replace(self._base.joined(entry.trial), seed_offset=number))
            if isinstance(measured, Failed):
                self._failed[entry.name] = measured.why
            else:
                found[entry.name] = measured

    def _standing(self, name: str, level: float) -> Standing:
        if name in self._failed:
            return Standing(name=name, verdict="failed", why=self._failed[name])
        share = self._shares.get(name, 1.0)
        is_cut = share < _NO_DIFFERENCE
        at_steps = _pairs(self._seeds, self._seeds, name)
        at_time = _pairs(self._seeds, self._timed, name) if is_cut else at_steps
        if not at_steps or not at_time:
            return Standing(name=name, verdict="cannot tell", why="the time was up before its first seed")
        loss = _changes(at_time, level)
        return Standing(
            name=name,
            verdict="better" if loss.high < 0 else "worse" if loss.low > 0 or math.isnan(loss.mid) else "cannot tell",
            why="one seed says nothing about noise" if len(at_time) == 1 else "",
            num_seeds=len(at_time),
            step_ratio=ratio_interval([math.log(run.step_s / plain.step_s) for plain, run in at_steps], level),
            memory_ratio=statistics.median(run.peak_bytes / max(1, plain.peak_bytes) for plain, run in at_steps),
            loss_at_steps=_changes(at_steps, level),
            loss_at_time=loss,
            share=share if is_cut else 1.0,
        )


def _pairs(plain: Sequence[dict[str, Measured]], other: Sequence[dict[str, Measured]], name: str) -> list[Pair]:
    return [(p[PLAIN], o[name]) for p, o in zip(plain, other, strict=True) if PLAIN in p and name in o]


def _changes(pairs: Sequence[Pair], level: float) -> Interval:
    return t_interval([relative_change(plain.closing_loss, run.closing_loss) for plain, run in pairs], level)
