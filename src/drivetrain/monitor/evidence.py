"""The few facts about a run that an account does not hold and a cause needs: deaths, checkpoints, hangs."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from drivetrain.ledger import Event


@dataclass(frozen=True, slots=True)
class Death:
    """A process that ended with an error, and not because another one had.

    Attributes:
      rank: its rank.
      code: its exit code; negative for a signal.
      step: the last step that this rank began, or None when it had begun none.
    """

    rank: int
    code: int
    step: int | None


@dataclass(frozen=True, slots=True)
class Ruined:
    """A metric that stopped being finite and never was again.

    Attributes:
      name: of the metric.
      from_step: the first step without a finite value.
      to_step: the last step of which there is a value.
    """

    name: str
    from_step: int
    to_step: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What happened to a run, as far as it explains losses.

    Attributes:
      deaths: first failure of each attempt, in order.
      num_commits: how many checkpoints became complete.
      commit_every_steps: median number of steps between them, None of fewer than two.
      hung_ranks: ranks that the supervisor found without progress, in order.
      has_finished: the processes started last have ended, all of them well.
      was_stopped: a person, or a scheduler, ended it, and it has not gone on since.
      ruined: metrics that are not finite from some step on, the earliest first.
    """

    deaths: tuple[Death, ...] = ()
    num_commits: int = 0
    commit_every_steps: int | None = None
    hung_ranks: tuple[int, ...] = ()
    has_finished: bool = False
    was_stopped: bool = False
    ruined: tuple[Ruined, ...] = ()


def evidence_of(events: Iterable[Event]) -> Evidence:
    """Gather the evidence from a run's events, in order of time."""
    deaths: list[Death] = []
    commits: list[int] = []
    hung: list[int] = []
    last_step: dict[int | None, int] = {}
    last_codes: dict[int | None, int] = {}
    curves: dict[
        str, dict[int, bool]
    ] = {}  # whether a metric is finite, by step; a step done again counts as it was last
    was_stopped = False
    is_stopping = False  # after the first failure the supervisor stops the other ranks: those are no causes
    for event in events:
        if event.kind == "step_begin":
            last_step[event.rank] = event.step
        elif event.kind == "log" and event.values:
            for name, value in event.values.items():
                curves.setdefault(name, {})[event.step] = math.isfinite(value)
        elif event.kind == "commit":
            commits.append(event.step)
        elif event.kind == "hang":
            hung.append(event.of_rank)
        elif event.kind == "stop":
            was_stopped = is_stopping = True
        elif event.kind == "start":
            was_stopped = is_stopping = False
            last_codes = {}
        elif event.kind == "exit" and event.rank is not None:
            last_codes[event.rank] = event.code
            if event.code != 0 and not is_stopping:
                deaths.append(Death(event.rank, event.code, last_step.get(event.rank)))
                is_stopping = True
    has_finished = bool(last_codes) and not any(last_codes.values())
    ruined = sorted(filter(None, itertools.starmap(_ruined, curves.items())), key=lambda found: found.from_step)
    return Evidence(
        tuple(deaths), len(commits), _median_gap(commits), tuple(hung), has_finished, was_stopped, tuple(ruined)
    )


def _ruined(name: str, is_finite: dict[int, bool]) -> Ruined | None:
    steps = sorted(is_finite, reverse=True)
    bad = list(itertools.takewhile(lambda step: not is_finite[step], steps))
    return Ruined(name, bad[-1], bad[0]) if len(bad) > 1 else None


def _median_gap(steps: list[int]) -> int | None:
    ordered = sorted(set(steps))
    gaps = [after - before for before, after in itertools.pairwise(ordered)]
    return round(statistics.median(gaps)) if gaps else None
