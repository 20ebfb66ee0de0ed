"""Ranks that were started again in place, as supervisors recorded it: also of programs that record nothing."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from drivetrain.ledger.events import Event
from drivetrain.ledger.journal import events_of, read_journal
from drivetrain.ledger.runs import HasJournal


@dataclass(frozen=True, slots=True)
class Restart:
    """An attempt of a run that followed another without a new launcher.

    Attributes:
      attempt: of the run, that began.
      at_ns: when the first of it had a process, UTC.
      rank: that failed first in the attempt before.
      exit_code: how; negative for a signal.
      is_hang: whether that was killed because it made no progress.
    """

    attempt: int
    at_ns: int
    rank: int
    exit_code: int
    is_hang: bool

    @property
    def words(self) -> str:
        """Why, for people."""
        if self.is_hang:
            return f"rank {self.rank} made no progress"
        return f"rank {self.rank} {how_text(self.exit_code)}"


def how_text(exit_code: int) -> str:
    """How a process that failed has ended."""
    if exit_code >= 0:
        return f"left with exit code {exit_code}"
    try:
        return f"was killed by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"was killed by signal {-exit_code}"


def read_restarts(run: HasJournal) -> tuple[Restart, ...]:
    """Of a run, in order. Raises: OSError: a journal cannot be read."""
    found: dict[int, Restart] = {}
    for path in sorted(Path(run.journal).glob("launcher*.jsonl")):
        for header, records in read_journal(path, leave_out="beat").parts:
            for restart in restarts_of(events_of(header, records)):
                known = found.get(restart.attempt)
                if known is None or restart.at_ns < known.at_ns:
                    found[restart.attempt] = restart
    return tuple(found[attempt] for attempt in sorted(found))


def restarts_of(events: Iterable[Event]) -> list[Restart]:
    """Those that one supervisor saw. Args: events: of its, in order."""
    found: list[Restart] = []
    failed: Event | None = None
    hung: set[int] = set()
    for event in events:
        if event.kind == "hang":
            hung.add(event.of_rank)
        elif event.kind == "exit" and event.code and (failed is None or event.attempt > failed.attempt):
            failed = event
        elif event.kind == "start" and failed is not None and failed.rank is not None:
            is_hang = failed.rank in hung
            found.append(Restart(failed.attempt + 1, event.wall_ns, failed.rank, failed.code, is_hang))
            failed, hung = None, set()
    return found
