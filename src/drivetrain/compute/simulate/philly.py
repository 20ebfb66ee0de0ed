"""Jobs of the Philly trace (Jeon et al., ATC 2019) from its tables as CSV, one row a job.

Columns go by the names that published tables of it have: `job_id`, `user`, `vc`, `gpu_num`, `node_num`, `submit_time`,
`start_time`, `end_time`, `duration`, or as Pollux has it `timestamp`, `duration`, `num_gpus`, `gpu_time`, `cluster`.
Where there is no duration it is the time from start to end; where jobs have no ids they are called by their lines.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from msgspec.structs import replace

from drivetrain.compute.policy.values import MILLI, Request, Waiting
from drivetrain.compute.simulate.values import Arrival
from drivetrain.core.errors import DataError

GPUS_PER_NODE = 8
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


def read_philly(path: Path, *, gpus_per_node: int = GPUS_PER_NODE) -> list[Arrival]:
    """Its jobs, as they came; seconds from the first. Those without GPUs or that never ran are left out.

    Raises: DataError: a column is missing, a value is no number or time, a job comes twice, or no job is left.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise DataError(f"{path}: cannot be read as CSV: {exc}") from exc
    if not rows:
        raise DataError(f"{path}: no job in it", hint="expected a header and a row for each job")
    columns = _columns(path, rows[0])
    found: dict[str, Arrival] = {}
    for line, row in enumerate(rows, start=2):
        arrival = _arrival(row, columns, f"{path}:{line}", f"line {line}", gpus_per_node)
        if arrival is None:
            continue
        name = arrival.job.job or f"line {line}"
        if name in found:
            raise DataError(
                f"{path}:{line}: job {name[:60]!r} is listed a second time", hint="expected a row for each job"
            )
        found[name] = Arrival(replace(arrival.job, job=name), arrival.run_s)
    if not found:
        raise DataError(f"{path}: none of its {len(rows):,} jobs asks for GPUs and ran")
    return _from_zero(found.values())


def _columns(path: Path, row: Mapping[str, str | None]) -> dict[str, str]:
    """What each is called in this table; empty where it has none. Raises: DataError: one is missing."""
    columns = {what: next((name for name in names if name in row), "") for what, names in _NAMES.items()}
    missing = [what for what in ("gpus", "submitted") if not columns[what]]
    if missing or not (columns["duration"] or (columns["started"] and columns["ended"])):
        what = missing[0] if missing else "duration"
        raise DataError(
            f"{path}: no column for {what}; it has {', '.join(map(str, row))[:200]}",
            hint=f"expected {' or '.join(_NAMES[what])}",
        )
    return columns


@lru_cache(maxsize=4096)
def request_of(num_gpus: int, gpus_per_node: int = GPUS_PER_NODE) -> Request:
    """So many GPUs on as few nodes as can be, all with equally many."""
    num = max(1, math.ceil(num_gpus / gpus_per_node))
    return Request(num, num, math.ceil(num_gpus / num) * MILLI)


def _arrival(
    row: Mapping[str, str | None], columns: Mapping[str, str], where: str, name: str, per_node: int
) -> Arrival | None:
    """Its job, called by `name` where it has none; None where it asks for no GPU or did not run."""

    def text(what: str) -> str:
        return (row.get(columns[what]) or "").strip() if columns[what] else ""

    num_gpus = _number(text("gpus"), where)
    if columns["duration"]:
        run_s = _number(text("duration"), where)
    else:
        run_s = _seconds(text("ended"), where) - _seconds(text("started"), where) if text("started") else 0.0
    if num_gpus < 1 or run_s <= 0:
        return None
    job = Waiting(
        text("job") or name,
        text("team") or "all",
        text("user"),
        request_of(int(num_gpus), per_node),
        submitted_s=_seconds(text("submitted"), where),
    )
    return Arrival(job, run_s)


def _from_zero(arrivals: Iterable[Arrival]) -> list[Arrival]:
    found = sorted(arrivals, key=lambda arrival: (arrival.job.submitted_s, arrival.job.job))
    first_s = found[0].job.submitted_s
    return [Arrival(replace(a.job, submitted_s=a.job.submitted_s - first_s), a.run_s) for a in found]


def _number(text: str, where: str) -> float:
    try:
        value = float(text or 0)
    except ValueError as exc:
        raise DataError(f"{where}: {text[:40]!r} is no number") from exc
    if not math.isfinite(value):
        raise DataError(f"{where}: {text[:40]!r} is no finite number")
    return value


def _seconds(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text.replace(" PST", "").replace(" PDT", ""))
    except ValueError as exc:
        raise DataError(f"{where}: {text[:40]!r} is no time", hint="expected 2017-10-03 06:09:05, or seconds") from exc
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
