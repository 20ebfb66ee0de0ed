"""The jobs of a workload: `name,time,application,num_replicas,batch_size`, a line each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from drivetrain.compute.simulate.training.tables import read_rows
from drivetrain.core.errors import DataError

COLUMNS = ("name", "time", "application", "num_replicas", "batch_size")
_NAME = re.compile(r"\w[\w+. -]{0,99}")  # it is a folder's, too


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job as its user submitted it: when, what it trains, with how many GPUs and which batch size."""

    name: str
    time_s: int
    application: str
    num_gpus: int
    batch: int


def read_workload(path: Path) -> tuple[Submitted, ...]:
    """Read a workload, in the order of its file. Raises DataError: a row is malformed, or a name comes twice."""
    jobs: dict[str, Submitted] = {}
    for line, (name, time, application, gpus, batch) in read_rows(path, COLUMNS):
        where = f"{path}, line {line}"
        if not name or name in jobs:
            raise DataError(f"{where}: " + (f"a second job {name[:40]!r}" if name else "a job without a name"))
        if not _NAME.fullmatch(application):
            raise DataError(f"{where}: the application is {application[:40]!r}, expected a name")
        jobs[name] = Submitted(
            name,
            _whole(where, "time", time, 0),
            application,
            _whole(where, "num_replicas", gpus, 1),
            _whole(where, "batch_size", batch, 1),
        )
    return tuple(jobs.values())


def _whole(where: str, column: str, text: str, least: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and int(text) >= least):
        raise DataError(f"{where}: {column} is {text[:40]!r}, expected a whole number of at least {least}")
    return int(text)
