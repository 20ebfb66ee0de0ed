"""What was told of waits, and how true it came: the first estimate for each attempt, before there is one."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from drivetrain.compute.controller.states import AttemptRecord
from drivetrain.compute.learn.waiting import MOST_PAST, Calibration
from drivetrain.server.database import tables
from drivetrain.server.database.records import decoded

_KEPT = 2000


def keep(connection: Connection, attempt: str, *, at_s: float, low_s: float, high_s: float) -> None:
    """The first one counts, so that who asks often is not counted often; old ones go.

    Raises: sqlalchemy.exc.IntegrityError: another one is being kept at this moment.
    """
    table = tables.estimates
    if connection.scalar(select(table.c.attempt).where(table.c.attempt == attempt)) is not None:
        return
    connection.execute(insert(table), {"attempt": attempt, "at_s": at_s, "low_s": low_s, "high_s": high_s})
    oldest_s = connection.scalar(select(table.c.at_s).order_by(table.c.at_s.desc()).offset(_KEPT).limit(1))
    if oldest_s is not None:
        connection.execute(delete(table).where(table.c.at_s <= oldest_s))


def past(connection: Connection) -> Calibration:
    """Of those whose attempt is there by now, the last ones."""
    told, attempts = tables.estimates, tables.attempts
    query = select(told.c.at_s, told.c.low_s, told.c.high_s, attempts.c.record)
    query = query.join(attempts, attempts.c.id == told.c.attempt).order_by(told.c.at_s.desc()).limit(MOST_PAST)
    found = Calibration()
    for at_s, low_s, high_s, record in reversed(connection.execute(query).all()):
        found.came_true(low_s, high_s, max(0.0, decoded(record, AttemptRecord).placed_s - at_s))
    return found
