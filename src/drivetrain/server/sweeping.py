"""What jobs leave on the server's disk, removed a day after they ended: the folders where their code was unpacked."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from drivetrain.server.database import Records, reading
from drivetrain.server.repeating import repeating

KEPT_S = 86_400.0
_EVERY_S = 600.0


def sweeping(database: Engine, home: Path, clock: Callable[[], float]) -> AbstractContextManager[None]:
    """While the block runs, now and then."""

    def once() -> None:
        with suppress(SQLAlchemyError, OSError):
            sweep(database, home, clock())

    return repeating(once, every_s=_EVERY_S, name="sweeping")


def sweep(database: Engine, home: Path, now_s: float) -> None:
    """Once. What a job's ranks wrote into that folder goes with it; runs, their logs and checkpoints stay."""
    folder = home / "work"
    names = sorted({path.name.partition(".")[0] for path in folder.iterdir()}) if folder.is_dir() else []
    with reading(database) as connection:
        jobs = Records(connection).family(names)
    for job in jobs:
        if job.state.is_final and now_s - (job.ended_s or job.submitted_s) > KEPT_S:
            for path in (folder / job.id, folder / f"{job.id}.incomplete"):
                shutil.rmtree(path, ignore_errors=True)
            (folder / f"{job.id}.lock").unlink(missing_ok=True)
