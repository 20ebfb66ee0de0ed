"""The few facts about a run that an account does not hold and a cause needs: deaths, checkpoints, hangs."""

from __future__ import annotations

import itertools
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
class Evidence:
    """What happened to a run, as far as it explains losses.

    Attributes:
      deaths: first failure of each attempt, in order.
      num_commits: how many checkpoints became complete.
      commit_every_steps: median number of steps between them, None of fewer than two.
      hung_ranks: ranks that the supervisor found without progress, in order.
      has_finished: the processes started last have ended, all of them well.
    """

    deaths: tuple[Death, ...] = ()
    num_commits: int = 0
    commit_every_steps: int | None = None
    hung_ranks: tuple[int, ...] = ()
    has_finished: bool = False


def evidence_of(events: Iterable[Event]) -> Evidence:
    """Gather the evidence from a run's events, in order of time."""
    deaths: list[Death] = []
    commits: list[int] = []
    hung: list[int] = []
    last_step: dict[int | None, int] = {}
    last_codes: dict[int | None, int] = {}
    is_stopping = False  # after the first failure the supervisor stops the other ranks: those are no causes
    for event in events:
        if event.kind == "step_begin":
            last_step[event.rank] = event.step
        elif event.kind == "commit":
            commits.append(event.step)
        elif event.kind == "hang":
            hung.append(event.of_rank)
        elif event.kind == "start":
            is_stopping = False
            last_codes = {}
        elif event.kind == "exit" and event.rank is not None:
            last_codes[event.rank] = event.code
            if event.code != 0 and not is_stopping:
                deaths.append(Death(event.rank, event.code, last_step.get(event.rank)))
                is_stopping = True
    has_finished = bool(last_codes) and not any(last_codes.values())
    return Evidence(tuple(deaths), len(commits), _median_gap(commits), tuple(hung), has_finished)


def _median_gap(steps: list[int]) -> int | None:
    ordered = sorted(set(steps))
    gaps = [after - before for before, after in itertools.pairwise(ordered)]
    return round(statistics.median(gaps)) if gaps else None
