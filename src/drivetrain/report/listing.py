"""All runs of a store in short, newest first."""

from __future__ import annotations

from dataclasses import dataclass

from drivetrain.core.clock import utc_text
from drivetrain.core.errors import DataError
from drivetrain.ledger import account_of, read_history
from drivetrain.monitor import evidence_of
from drivetrain.report.story import Status, status_of
from drivetrain.store import RunFolder, RunManifest, list_runs, run_folder

_JOURNAL_BYTES = 16_000_000  # read for one listing, about a second; older runs are listed without their status


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run as a list shows it.

    Attributes:
      id: the run's id.
      name: what people call it.
      made_at: UTC, to the second.
      made_at_ns: the same, UTC nanoseconds.
      num_ranks: as asked for.
      status: None when its journals were not read, because newer runs used up the budget, or cannot be read.
      goodput_pct: of allocated device time; None likewise, and when nothing was allocated.
      allocated_ns: device time; None likewise.
    """

    id: str
    name: str
    made_at: str
    made_at_ns: int
    num_ranks: int
    status: Status | None = None
    goodput_pct: float | None = None
    allocated_ns: int | None = None


def list_lines() -> list[RunLine]:
    """Every run that can be read, newest first."""
    budget, lines = _JOURNAL_BYTES, []
    for manifest in list_runs():
        folder = run_folder(manifest.id)
        budget -= sum(path.stat().st_size for path in folder.journal.glob("*.jsonl"))
        lines.append(_line(manifest, folder if budget >= 0 else None))
    return lines


def _line(manifest: RunManifest, folder: RunFolder | None) -> RunLine:
    made = utc_text(manifest.made_at_ns)
    bare = RunLine(manifest.id, manifest.name, made, manifest.made_at_ns, manifest.num_ranks)
    if folder is None:
        return bare
    try:
        records = read_history(folder)
    except DataError:
        return bare
    account = account_of(records.events, records.lease_ns, records.now_ns())
    return RunLine(
        manifest.id,
        manifest.name,
        made,
        manifest.made_at_ns,
        manifest.num_ranks,
        status_of(account, evidence_of(records.events)),
        account.goodput_pct if account.allocated_ns else None,
        account.allocated_ns,
    )
