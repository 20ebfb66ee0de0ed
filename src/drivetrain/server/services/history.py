"""All that ever happened, as the simulator reads it: events, and with a job's its record."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from drivetrain.compute.simulate.history import Event, lines_of
from drivetrain.server.database import Records


def lines(connection: Connection, *, after: int, limit: int) -> list[bytes]:
    """Events after a number, a JSON object a line."""
    return list(lines_of(_events(Records(connection), after, limit)))


def _events(records: Records, after: int, limit: int) -> Iterator[Event]:
    found = records.events(after=after, limit=limit)
    came = [subject for _, _, kind, subject, _ in found if kind == "job waiting"]
    known = {job.id: job for job in records.family(came)}
    for number, at_ns, kind, subject, data in found:
        record = known.get(subject) if kind == "job waiting" else None
        yield Event(number, at_ns, kind, subject, data, record)
