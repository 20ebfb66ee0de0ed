"""What jobs leave on the server's disk, removed a day after they ended: the folders where their code was unpacked."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from drivetrain.server.database import Records, reading

KEPT_S = 86_400.0
_EVERY_S = 600.0


@contextmanager
def sweeping(database: Engine, home: Path, clock: Callable[[], float]) -> Iterator[None]:
    """While the block runs, now and then."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(_EVERY_S):
            with suppress(SQLAlchemyError, OSError):
                sweep(database, home, clock())

    thread = threading.Thread(target=run, name="drivetrain sweeping", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


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
