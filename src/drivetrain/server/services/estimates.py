"""What was told of waits, and how true it came: the first estimate for each attempt, before there is one."""

from __future__ import annotations

from dataclasses import dataclass, fields

from sqlalchemy import Connection, delete, insert, select

from drivetrain.compute.controller.states import AttemptRecord
from drivetrain.compute.learn.waiting import Calibration
from drivetrain.server.database import tables
from drivetrain.server.database.records import decoded

_KEPT = 2000


@dataclass(frozen=True, slots=True)
class Told:
    """What was told of an attempt.

    Attributes:
      at_s: when, since the epoch.
      low_s, high_s: from then, before it was corrected.
      told_low_s, told_middle_s, told_high_s: from then, corrected; None of what was told by earlier versions.
    """

    attempt: str
    at_s: float
    low_s: float
    high_s: float
    told_low_s: float | None = None
    told_middle_s: float | None = None
    told_high_s: float | None = None

    @property
    def by_s(self) -> float:
        """By when it should have started, since the epoch."""
        return self.at_s + (self.high_s if self.told_high_s is None else self.told_high_s)

    @property
    def told_s(self) -> tuple[float, float] | None:
        """The interval as it was told, from `at_s` on."""
        return None if self.told_low_s is None or self.told_high_s is None else (self.told_low_s, self.told_high_s)


_NAMES = tuple(field.name for field in fields(Told))


def keep(connection: Connection, told: Told) -> None:
    """The first one counts, so that who asks often is not counted often; old ones go.

    Raises: sqlalchemy.exc.IntegrityError: another one is being kept at this moment.
    """
    table = tables.estimates
    if connection.scalar(select(table.c.attempt).where(table.c.attempt == told.attempt)) is not None:
        return
    connection.execute(insert(table), {name: getattr(told, name) for name in _NAMES})
    oldest_s = connection.scalar(select(table.c.at_s).order_by(table.c.at_s.desc()).offset(_KEPT).limit(1))
    if oldest_s is not None:
        connection.execute(delete(table).where(table.c.at_s <= oldest_s))


def still_open(connection: Connection) -> dict[str, Told]:
    """Attempt -> what was told of it at first, of those that are not there yet."""
    table, attempts = tables.estimates, tables.attempts
    query = select(*(table.c[name] for name in _NAMES)).outerjoin(attempts, attempts.c.id == table.c.attempt)
    return {row[0]: Told(*row) for row in connection.execute(query.where(attempts.c.id.is_(None)))}


def past(connection: Connection) -> Calibration:
    """Of those that are kept and whose attempt is there by now."""
    table, attempts = tables.estimates, tables.attempts
    columns = [table.c[name] for name in _NAMES]
    query = select(*columns, attempts.c.record).join(attempts, attempts.c.id == table.c.attempt)
    came = [(decoded(row[-1], AttemptRecord).placed_s, Told(*row[:-1])) for row in connection.execute(query)]
    found = Calibration()
    for placed_s, told in sorted(came, key=lambda one: one[0]):
        wait_s = max(0.0, placed_s - told.at_s)
        found.came_true(told.low_s, told.high_s, wait_s, told_s=told.told_s)
    return found
