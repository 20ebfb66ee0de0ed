"""That an agent lives, as a lock on a file: however its process ends, the kernel lets go of it.

A POSIX lock, since it belongs to one process and not to what that process forks, and since anybody may ask who has it
without taking it.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

_FLOCK = "hhqqi"  # l_type, l_whence, l_start, l_len, l_pid, as Linux has them


def claim_file(folder: Path, member: int) -> Path:
    """Of the agent of a member of the gang, in the folder of its attempt."""
    return folder / f"{member}.claim"


def claims(folder: Path) -> set[Path]:
    """All of them, in the folders of their attempts, of which another server may put any away meanwhile."""
    return {
        folder / attempt / name
        for attempt in _names(folder)
        for name in _names(folder / attempt)
        if name.endswith(".claim")
    }


def claim(path: Path) -> int | None:
    """Take it for the life of this process; its descriptor, or None where another process has it or has had it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    if os.fstat(descriptor).st_size:
        os.close(descriptor)
        return None
    os.write(descriptor, str(os.getpid()).encode())
    return descriptor


def holder(path: Path) -> int | None:
    """The process that has it; None where nobody has."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        question = struct.pack(_FLOCK, fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, question))
    finally:
        os.close(descriptor)
    return None if kind == fcntl.F_UNLCK else int(pid)


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
