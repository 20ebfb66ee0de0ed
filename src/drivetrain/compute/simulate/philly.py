"""Jobs of the Philly trace (Jeon et al., ATC 2019) from its tables as CSV, one row a job.

Columns go by the names that published tables of it have: `job_id`, `user`, `vc`, `gpu_num`, `node_num`, `submit_time`,
`start_time`, `end_time`, `duration`, or as Pollux has it `timestamp`, `duration`, `num_gpus`, `gpu_time`, `cluster`.
Where there is no duration it is the time from start to end; where jobs have no ids they are called by their lines.
A real table has jobs that never ran and jobs without GPUs: such rows are left out and counted. What can be no job's is
refused, with its line.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from msgspec.structs import replace

from drivetrain.compute.policy.values import MILLI, Request, Waiting
from drivetrain.compute.simulate.values import Arrival
from drivetrain.core.errors import DataError
from drivetrain.core.units import count_text

GPUS_PER_NODE = 8
MOST_GPUS = 100_000
"""Of a job: with one on each node, as many nodes as the controller takes of it."""
MOST_YEARS = 10
"""That a job takes, or from the first submission to the last: above a cluster's life, far below what overflows."""
_MOST_S = MOST_YEARS * 365.25 * 86400
_NEVER_RAN, _NO_END, _NO_GPU = "never ran", "without an end", "without GPUs"
_NAMES: Mapping[str, tuple[str, ...]] = {
    "job": ("job_id", "jobid"),
    "user": ("user",),
    "team": ("vc", "cluster"),
    "gpus": ("gpu_num", "num_gpus", "gpus"),
    "submitted": ("submit_time", "submitted_time", "timestamp"),
    "started": ("start_time",),
    "ended": ("end_time",),
    "duration": ("duration", "run_time"),
}


@dataclass(frozen=True, slots=True)
class Table:
    """What a file holds. Attributes: arrivals: as they came; left_out: why rows are none of these, how many each."""

    arrivals: list[Arrival]
    left_out: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the table. Attributes: where: its file and line; columns: what each is called in this table."""

    where: str
    cells: Mapping[str, str]
    columns: Mapping[str, str]

    def text(self, what: str) -> str:
        """As it stands there; empty where the table has no such column, or says that it is nothing."""
        text = self.cells[self.columns[what]] if self.columns[what] else ""
        return "" if text.lower() in ("none", "null") else text

    def wrong(self, what: str, expected: str) -> DataError:
        """Its value is none that such a column can have."""
        return DataError(f"{self.where}: {self.columns[what]} is {self.text(what)[:40]!r}, expected {expected}")


def read_philly(path: Path, *, gpus_per_node: int = GPUS_PER_NODE) -> Table:
    """Its jobs; seconds from the first.

    Raises: DataError: a column is missing, a value is none that a job can have, a job comes twice, or no job is left.
    """
    found: dict[str, tuple[Arrival, _Row]] = {}
    left_out: Counter[str] = Counter()
    has_dates: bool | None = None
    for line, row in _rows(path):
        num_gpus, run_s = _num_gpus(row), _run_s(row)
        if not (num_gpus and run_s):
            left_out[_why_left_out(row) if num_gpus else _NO_GPU] += 1
            continue
        submitted_s, is_date = _moment(row, "submitted")
        if has_dates not in (None, is_date):
            raise row.wrong("submitted", f"{'a date' if has_dates else 'seconds'}, as in the lines before")
        has_dates = is_date
        name = row.text("job") or f"line {line}"
        if name in found:
            raise DataError(
                f"{row.where}: job {name[:60]!r} is listed a second time", hint="expected a row for each job"
            )
        request = request_of(num_gpus, gpus_per_node)
        job = Waiting(name, row.text("team") or "all", row.text("user"), request, submitted_s=submitted_s)
        found[name] = Arrival(job, run_s), row
    if not (found or left_out):
        raise DataError(f"{path}: no job in it", hint="expected a header and a row for each job")
    if not found:
        raise DataError(f"{path}: none of its {left_out.total():,} jobs asks for GPUs and ran")
    return Table(_from_zero(list(found.values())), dict(left_out))


def _rows(path: Path) -> Iterator[tuple[int, _Row]]:
    """Number and row of each line under the header that is not empty."""
    lines = _lines(path)
    _, header = next(lines, (0, []))
    columns = _columns(path, header) if header else {}
    for line, cells in lines:
        where = f"{path}:{line}"
        if len(cells) != len(header):
            raise DataError(f"{where}: {count_text(len(cells), 'value')}, expected {len(header)} as in the header")
        yield line, _Row(where, dict(zip(header, cells, strict=True)), columns)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each line that is not empty."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            for cells in reader:
                stripped = [cell.strip() for cell in cells]
                if any(stripped):
                    yield reader.line_num, stripped
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise DataError(f"{path}: cannot be read as CSV: {exc}") from exc


def _columns(path: Path, header: Sequence[str]) -> dict[str, str]:
    """What each is called in this table; empty where it has none. Raises: DataError: one is missing."""
    columns = {what: next((name for name in names if name in header), "") for what, names in _NAMES.items()}
    missing = [what for what in ("gpus", "submitted") if not columns[what]]
    if missing or not (columns["duration"] or (columns["started"] and columns["ended"])):
        what = missing[0] if missing else "duration"
        raise DataError(
            f"{path}: no column for {what}; it has {', '.join(header)[:200]}",
            hint=f"expected {' or '.join(_NAMES[what])}",
        )
    return columns


@lru_cache(maxsize=4096)
def request_of(num_gpus: int, gpus_per_node: int = GPUS_PER_NODE) -> Request:
    """So many GPUs on as few nodes as can be, all with equally many."""
    num = max(1, math.ceil(num_gpus / gpus_per_node))
    return Request(num, num, math.ceil(num_gpus / num) * MILLI)


def _num_gpus(row: _Row) -> int:
    """That it asks for; none where that is empty."""
    value = _number(row.text("gpus") or "0")
    if value is None or not 0 <= value <= MOST_GPUS or value != int(value):
        raise row.wrong("gpus", f"a whole number from 0 to {MOST_GPUS:,}")
    return int(value)


def _run_s(row: _Row) -> float:
    """How long it ran; 0 where it did not, or had not ended."""
    if row.columns["duration"]:
        value = _number(row.text("duration") or "0")
        if value is None or not 0 <= value <= _MOST_S:
            raise row.wrong("duration", f"seconds, from 0 to {MOST_YEARS} years of them")
        return value
    if not (row.text("started") and row.text("ended")):
        return 0.0
    (started_s, has_dates), (ended_s, is_date) = _moment(row, "started"), _moment(row, "ended")
    if is_date != has_dates or not 0 <= ended_s - started_s <= _MOST_S:
        began = f"{row.columns['started']}, {row.text('started')[:40]!r}"
        raise row.wrong("ended", f"a time from {began}, to {MOST_YEARS} years later")
    return ended_s - started_s


def _why_left_out(row: _Row) -> str:
    return _NO_END if not row.columns["duration"] and row.text("started") and not row.text("ended") else _NEVER_RAN


def _from_zero(found: list[tuple[Arrival, _Row]]) -> list[Arrival]:
    """In order; seconds from the first. Raises: DataError: one came in another age than most did."""
    found.sort(key=lambda each: (each[0].job.submitted_s, each[0].job.job))
    first_s, middle_s, last_s = (found[at][0].job.submitted_s for at in (0, len(found) // 2, -1))
    if last_s - first_s > _MOST_S:
        _, row = found[0 if middle_s - first_s > last_s - middle_s else -1]
        raise row.wrong("submitted", f"all within {MOST_YEARS} years, and others are further from it")
    return [Arrival(replace(a.job, submitted_s=a.job.submitted_s - first_s), a.run_s) for a, _ in found]


def _number(text: str) -> float | None:
    """None where it is none, or not finite."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _moment(row: _Row, what: str) -> tuple[float, bool]:
    """In seconds from some moment on, and whether it is a date."""
    text = row.text(what)
    value = _number(text)
    if value is not None and value >= 0:
        return value, False
    try:
        moment = datetime.fromisoformat(text.replace(" PST", "").replace(" PDT", ""))
    except ValueError:
        raise row.wrong(what, "a time such as 2017-10-03 06:09:05, or seconds") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp(), True
