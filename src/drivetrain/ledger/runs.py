"""The journals of one run, read together: its account, and the metrics it logged."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from drivetrain.core import ids
from drivetrain.core.clock import Anchor, host_id, mono_ns, wall_ns
from drivetrain.core.errors import DataError, UsageError
from drivetrain.core.variables import home
from drivetrain.ledger.accounting import Account, account_of
from drivetrain.ledger.axis import place
from drivetrain.ledger.events import Event
from drivetrain.ledger.journal import Header, Record, events_of, read_journal

_DEFAULT_LEASE_NS = 30_000_000_000


class HasJournal(Protocol):
    """A run's folder, as the store makes it."""

    @property
    def journal(self) -> Path:
        """The folder of journal files."""
        ...


@dataclass(frozen=True, slots=True)
class History:
    """All records of a run.

    Attributes:
      events: in order of time on the common axis.
      lease_ns: the supervisor's, see `Header`.
      anchors: by host, the moment that places it.
      supervisor: the host whose clock questions are asked on, empty when there are no records.
      num_unreadable: lines left out.
    """

    events: tuple[Event, ...]
    lease_ns: int
    anchors: dict[str, Anchor]
    supervisor: str
    num_unreadable: int

    def now_ns(self) -> int:
        """UTC now on the supervisor's clock; on its own host through the monotonic one, which does not jump."""
        if self.supervisor and self.supervisor == host_id():
            return self.anchors[self.supervisor].to_wall_ns(mono_ns())
        return wall_ns()


def account(run: str | os.PathLike[str] | HasJournal) -> Account:
    """Where every device-nanosecond of a run went, up to now if it is running.

    Args:
      run: its id, its folder, or anything with a `journal` folder.
    Raises: UsageError: there is no such run.
    """
    history = read_history(run)
    return account_of(history.events, history.lease_ns, history.now_ns())


def scalars(events: Sequence[Event]) -> dict[str, list[tuple[int, int, float]]]:
    """The metrics among a run's events: for each name (step, UTC ns, value), sorted by step.

    A value logged again for the same step, by a later attempt or another rank, replaces the one before.
    """
    found: dict[str, dict[int, tuple[int, float]]] = {}
    for event, at_ns in zip(events, place(events), strict=True):
        if event.kind != "log":
            continue
        for name, value in (event.values or {}).items():
            found.setdefault(name, {})[event.step] = (at_ns, value)
    return {
        name: [(step, at_ns, value) for step, (at_ns, value) in sorted(points.items())]
        for name, points in found.items()
    }


def read_history(run: str | os.PathLike[str] | HasJournal) -> History:
    """Read all journals of a run and put their records in order.

    Raises: UsageError: there is no such run. DataError: a journal cannot be read.
    """
    parts: list[tuple[Header, tuple[Record, ...]]] = []
    num_unreadable = 0
    for path in sorted(_journal_folder(run).glob("*.jsonl")):
        try:
            journal = read_journal(path)
        except OSError as exc:
            raise DataError(f"cannot read the journal {path}: {exc.strerror}") from exc
        parts += journal.parts
        num_unreadable += journal.num_unreadable
    # A supervisor's records come first among those of one instant: a process starts before it says that it began.
    # Supervisors stay in the order of their files, the launcher's first: it is by its clock that questions are asked.
    parts.sort(key=lambda part: (part[0].rank is not None, 0 if part[0].rank is None else part[0].t))
    anchors: dict[str, Anchor] = {}
    for header, _ in sorted(parts, key=lambda part: part[0].t):
        anchors.setdefault(header.host, header.anchor)
    events = _in_order(
        [event for header, records in parts for event in events_of(header, records, anchors[header.host])]
    )
    lease_ns = parts[0][0].lease_ns if parts else _DEFAULT_LEASE_NS
    return History(tuple(events), lease_ns, anchors, parts[0][0].host if parts else "", num_unreadable)


def _in_order(events: list[Event]) -> list[Event]:
    """By time on the common axis. Wall time comes first, to see which clock measurement fits which host."""
    events.sort(key=lambda event: event.wall_ns)
    times = place(events)
    return [events[index] for index in sorted(range(len(events)), key=times.__getitem__)]


def _journal_folder(run: str | os.PathLike[str] | HasJournal) -> Path:
    if not isinstance(run, str | os.PathLike):
        return run.journal
    path = Path(run)
    if (path / "journal").is_dir():
        return path / "journal"
    folder = home() / "runs" / path
    if isinstance(run, str) and ids.is_id(run, "run") and folder.is_dir():
        return folder / "journal"
    raise UsageError(
        f"there is no run {str(run)!r}: it is neither a folder with a journal nor an id in {home() / 'runs'}",
        hint="drivetrain runs lists them",
    )
