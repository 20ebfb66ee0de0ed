"""What many readers of logs have not seen yet: all of them ask again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
from sqlalchemy import Engine

from drivetrain.compute.controller.states import JobRecord
from drivetrain.core.errors import UsageError
from drivetrain.server.database import Records, reading
from drivetrain.server.services import jobs, logs


@dataclass(frozen=True, eq=False, slots=True)
class Reader:
    """Who reads what a job prints.

    Attributes:
      job: a name of it.
      cursor: how far the reader is, by file; bytes.
      rank: of one alone.
    """

    job: str
    cursor: Mapping[str, int]
    rank: int | None


class Printed(NamedTuple):
    """A job as it is, and what it had printed by then that a reader had not seen."""

    job: JobRecord
    pieces: list[logs.Piece]


def printed(database: Engine, readers: Sequence[Reader]) -> dict[Reader, Printed | Exception]:
    """For each of these; UsageError where there is no such job. Its state is of a moment before its files are read.

    What is wrong with one of them, such as with its files, is its alone.
    """
    found: dict[Reader, Printed | Exception] = {}
    known: dict[str, tuple[JobRecord, list[str]] | Exception] = {}
    with reading(database) as connection:
        for name in {reader.job for reader in readers}:
            try:
                job = jobs.find(connection, name)
                family = Records(connection).family([job.id]) if job.job.array else []
                known[name] = job, [worker.run for worker in family if worker.parent]
            except (UsageError, msgspec.DecodeError) as exc:
                known[name] = exc
    for reader in readers:
        told = known[reader.job]
        try:
            found[reader] = told if isinstance(told, Exception) else Printed(told[0], _pieces(*told, reader))
        except Exception as exc:  # noqa: BLE001 - whoever asked is told
            found[reader] = exc
    return found


def _pieces(job: JobRecord, runs: Sequence[str], reader: Reader) -> list[logs.Piece]:
    if job.job.array:
        return logs.pieces_of_workers(runs, reader.cursor, rank=reader.rank)
    return logs.pieces(job.run, reader.cursor, rank=reader.rank)
