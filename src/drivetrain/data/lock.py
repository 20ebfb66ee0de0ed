"""One writer at a time for a folder."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from drivetrain.core.errors import StoreError
from drivetrain.store import DISK_HINT

_LOCK_FILE = ".writer"


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Hold a folder while the block runs; the system lets go of it when the process ends, however it ends.

    Raises: StoreError: another holds it (it is named), or the folder cannot be written.
    """
    try:
        descriptor = os.open(path / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as exc:
        raise StoreError(f"cannot write to {path}: {exc.strerror}", hint=DISK_HINT) from exc
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
            raise StoreError(
                f"{path} is being written by {holder or 'another process'}",
                hint="wait until it is done, then try again",
            ) from exc
        with suppress(OSError):  # who holds it is for people; a full disk is told by what is written next
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
