"""What agents say: that they live, how far they are, how ranks ended, and what these wrote."""

from __future__ import annotations

import fcntl
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from drivetrain.compute.controller.states import AttemptRecord, AttemptState
from drivetrain.core.errors import DataError, StoreError
from drivetrain.server.database import Records
from drivetrain.store import run_folder

_TOLD_EVERY_S = 10.0
_FILE = re.compile(r"(?:journal|logs)/[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(slots=True)
class _Told:
    """What the controller was told of an attempt: its newest checkpoint, and when by which kind of beat."""

    saved_step: int = -1
    at_s: dict[tuple[bool, bool], float] = field(default_factory=dict)


class AgentDesk:
    """Hears agents; tells the controller only what it does not know yet."""

    def __init__(self) -> None:
        self._told: dict[str, _Told] = {}
        self._lock = threading.Lock()

    def is_news(
        self, attempt: AttemptRecord, now_s: float, *, step: int | None, saved_step: int | None, is_busy: bool
    ) -> bool:
        """Whether the controller has to hear that an agent lives, and how far it is.

        Of a gang only the agent that leads knows the step, and some may use their devices while others do not: that one
        of them was heard is no reason to leave out what another says.
        """
        kind = (step is not None, is_busy)
        with self._lock:
            told = self._told.setdefault(attempt.id, _Told())
            is_saved = saved_step is not None and saved_step > told.saved_step
            is_news = attempt.state is AttemptState.PLACED or is_saved
            if not is_news and abs(now_s - told.at_s.get(kind, 0.0)) < _TOLD_EVERY_S:
                return False
            told.at_s[kind] = now_s
            told.saved_step = max(told.saved_step, -1 if saved_step is None else saved_step)
        return True

    def forget(self, attempt: str) -> None:
        """It has ended."""
        with self._lock:
            self._told.pop(attempt, None)


def alive(
    connection: Connection,
    attempt: AttemptRecord,
    step: int | None,
    saved_step: int | None,
    *,
    begun_s: float,
    is_busy: bool = False,
) -> None:
    """An agent lives since `begun_s`, is so far, and uses its devices or does not."""
    said = {"step": step, "saved_step": saved_step, "is_busy": is_busy, "begun_s": begun_s}
    Records(connection).tell("alive", attempt.id, said)


def exited(
    connection: Connection,
    attempt: AttemptRecord,
    member: int,
    exit_code: int,
    words: str,
    *,
    begun_s: float,
    over_s: float,
    how_far: Mapping[str, float | None] | None = None,
) -> None:
    """The last word of an agent.

    Args:
      begun_s, over_s: when its ranks began, and ended.
      how_far: `step` and when it came there, `stepped_s`, and `saved_step`.
    """
    said = {"member": member, "exit_code": exit_code, "words": words, "begun_s": begun_s, "over_s": over_s}
    Records(connection).tell("exit", attempt.id, {**said, **(how_far or {})})


def append(run: str, path: str, offset: int, data: bytes) -> int:
    """Take a piece of a file of a run, if it goes on where the file ends; the size of the file now.

    Raises: DataError: the path leads elsewhere. StoreError: the disk would not take it.
    """
    if not _FILE.fullmatch(path):
        raise DataError(f"{path[:80]!r} is no file of a run that agents write")
    target = run_folder(run).path / path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        with os.fdopen(descriptor, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # a request that is repeated may meet the first one, still at work
            size_bytes = file.seek(0, os.SEEK_END)
            if offset == size_bytes:
                file.write(data)
                size_bytes += len(data)
    except OSError as exc:
        raise StoreError(f"cannot write {path}: {exc.strerror}", hint="is the disk full?") from exc
    return size_bytes
