"""The store of a database's servers: code and logs of its jobs are there, and the key by which agents are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from drivetrain.core.errors import UsageError
from drivetrain.server.database import Records, in_turn, reading
from drivetrain.server.keys import key_hash
from drivetrain.server.lock import ControllerLock


@dataclass(frozen=True, slots=True)
class KeptHome:
    """Where it is. Attributes: path: as the server saw it that worked last; key_hash: of the key in it."""

    path: str
    key_hash: str


def keep_home(database: Engine, home: Path, key: bytes) -> None:
    """Write down which it is."""
    with in_turn(database) as connection:
        Records(connection).set_setting("home", "server", KeptHome(str(home), key_hash(key)))


def refuse_another_home(database: Engine, folder: Path, key: bytes, unfinished: Sequence[str]) -> None:
    """A server of another store would neither hear of the agents of this database's jobs, nor find their code and logs.

    Args:
      folder: of the server.
      unfinished: states of jobs.
    Raises: UsageError: jobs are not over, or a server works, that belong to another store.
    """
    with reading(database) as connection:
        records = Records(connection)
        kept = next(iter(records.settings("home", KeptHome)), None)
        if kept is None or kept.key_hash == key_hash(key):
            return
        has_jobs = records.count_jobs(unfinished) > 0
    lock = ControllerLock(database, folder)
    try:
        if not has_jobs and lock.take():
            return
    finally:
        lock.close()
    raise UsageError(
        f"this database has servers and jobs of another store, {kept.path}: their code, logs and agents are there",
        hint=f"DRIVETRAIN_HOME={kept.path}, which all servers of a database share; or another database",
    )
