"""Who may run a run, and which attempt comes next."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from drivetrain.core.errors import UsageError
from drivetrain.store import RunFolder

_TRIES, _PAUSE_S = 5, 0.02
_ATTEMPT = r"attempt-([0-9]+)\.rank-[0-9]+\.(?:jsonl|log)"


@contextmanager
def claimed(run: RunFolder) -> Iterator[None]:
    """Be the only launcher of a run during the block. The kernel lets go of the claim however this process ends.

    Raises: UsageError: another launcher has it.
    """
    run.journal.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(run.journal, os.O_RDONLY)
    try:
        _lock(descriptor, run)
        yield
    finally:
        os.close(descriptor)


def is_claimed(run: RunFolder) -> bool:
    """Whether a launcher runs it at this moment."""
    try:
        descriptor = os.open(run.journal, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def next_attempt(run: RunFolder) -> int:
    """One past the last attempt that left a journal or a log."""
    names = [path.name for folder in (run.journal, run.logs) if folder.is_dir() for path in folder.iterdir()]
    return max((int(match[1]) + 1 for name in names if (match := re.fullmatch(_ATTEMPT, name))), default=0)


def drop_unfinished(run: RunFolder) -> None:
    """Leave no unfinished checkpoint; for who has the run, when its ranks have ended."""
    if run.checkpoints.is_dir():
        from drivetrain.store import drop_leftovers

        drop_leftovers(run.checkpoints)


def _lock(descriptor: int, run: RunFolder) -> None:
    for _ in range(_TRIES):  # who only asks whether it is claimed has the lock for a moment
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(_PAUSE_S)
    raise UsageError(f"{run.id} is running", hint="wait until it ends, or stop the launcher that runs it")
