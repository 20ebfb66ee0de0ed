"""Restarts within an attempt: what its launcher did by itself, which the controller never hears of."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from drivetrain import ledger
from drivetrain.compute.controller.states import AttemptRecord
from drivetrain.core.errors import StoreError
from drivetrain.core.units import NS_PER_S
from drivetrain.store import run_folder


@dataclass(frozen=True, slots=True)
class RestartTold:
    """Ranks were started again in place.

    Attributes:
      attempt: of the job, within which that was; the last that had begun by then.
      of_run: number of the attempt of the run that began: logs are named by it.
      at_s: since the epoch.
      reason: why.
    """

    attempt: int
    of_run: int
    at_s: float
    reason: str


def restarts(run: str, attempts: list[AttemptRecord]) -> list[RestartTold]:
    """Of a job's run, in order; none where its journal cannot be read."""
    found: tuple[ledger.Restart, ...] = ()
    with suppress(OSError, StoreError):
        found = ledger.read_restarts(run_folder(run))
    return [
        RestartTold(_attempt_at(each.at_ns / NS_PER_S, attempts), each.attempt, each.at_ns / NS_PER_S, each.words)
        for each in found
    ]


def _attempt_at(at_s: float, attempts: list[AttemptRecord]) -> int:
    begun = [attempt.number for attempt in attempts if attempt.placed_s <= at_s]
    return max(begun, default=0)
