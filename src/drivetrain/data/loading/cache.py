"""Pieces of far files on the local disk, never more than so many bytes; the least lately used go first.

Contract:
1. A piece is named after the SHA-256 of the file it is part of: what is found is right, whoever stored it and whenever.
2. Any number of processes may share a folder, and it is good for the next ones. Their sum stays within the limit.
3. A piece appears whole or not at all; one that is removed while it is read is still read to its end.
4. A disk that takes no more is no error: what was fetched is given, and not kept.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from drivetrain.core.errors import DataError

logger = logging.getLogger(__name__)

_LOCK, _TOTAL = "lock", "total"
_ENDING, _UNFINISHED = ".piece", ".part"
_FREED_SHARE = 0.1  # of the limit, in one go: looking through the folder is worth it only for more than one piece


class PieceCache:
    """A folder of pieces. Any thread may call."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        """Makes the folder, removes what killed processes left, and what is over the limit.

        Raises: ValueError: the limit is not above 0. DataError: the folder cannot be used.
        """
        if limit_bytes < 1:
            raise ValueError(f"limit_bytes is {limit_bytes}; it must be above 0")
        self.folder, self.limit_bytes = folder, limit_bytes
        self._fetching: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        self._told = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with self._locked():
                for leftover in folder.glob(f"*{_UNFINISHED}"):
                    _remove(leftover)
                self._make_room(0)
        except OSError as exc:
            raise DataError(
                f"{folder} cannot be used as a cache: {exc.strerror}", hint="name another folder for the cache"
            ) from exc

    def get(self, name: str, num_bytes: int, fetch: Callable[[], bytes]) -> bytes:
        """A piece, from the folder or fetched and kept; threads that ask for one at once fetch it once.

        Args:
          name: of the piece, plain characters.
          num_bytes: of it.
          fetch: gives it; what it raises passes through.
        """
        found = self._find(name, num_bytes)
        if found is not None:
            return found
        with self._guard:
            lock = self._fetching.setdefault(name, threading.Lock())
        try:
            with lock:
                found = self._find(name, num_bytes)
                if found is None:
                    found = fetch()
                    self._keep(name, found)
                return found
        finally:
            with self._guard:
                self._fetching.pop(name, None)

    def has(self, name: str) -> bool:
        """Whether a piece is there now."""
        return self._path(name).exists()

    def forget(self, name: str) -> None:
        """Remove a piece, for one whose bytes turned out to be wrong."""
        with suppress(OSError), self._locked():
            self._count(-_remove(self._path(name)))

    def _find(self, name: str, num_bytes: int) -> bytes | None:
        path = self._path(name)
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        return data if len(data) == num_bytes else None

    def _keep(self, name: str, data: bytes) -> None:
        if len(data) > self.limit_bytes:
            return
        part = self.folder / f"{name}-{os.getpid()}-{threading.get_ident()}{_UNFINISHED}"
        try:
            with self._locked():
                self._make_room(len(data))
                self._count(len(data) - _size(self._path(name)))
                part.write_bytes(data)
                part.replace(self._path(name))
        except OSError as exc:
            _remove(part)
            if not self._told:
                self._told = True
                logger.warning("the cache %s keeps nothing more: %s", self.folder, exc.strerror)

    def _make_room(self, num_bytes: int) -> None:
        """Remove the least lately used until so many bytes fit; the lock is held."""
        total = self._total()
        if num_bytes and total is not None and total + num_bytes <= self.limit_bytes:
            return
        pieces = sorted(
            (stat.st_mtime_ns, stat.st_size, path) for path in self.folder.glob(f"*{_ENDING}") if (stat := _stat(path))
        )
        left = sum(size for _, size, _ in pieces)
        if left + num_bytes > self.limit_bytes:
            goal = self.limit_bytes - num_bytes - (int(self.limit_bytes * _FREED_SHARE) if num_bytes else 0)
            for _, size, path in pieces:
                if left <= max(goal, 0):
                    break
                _remove(path)
                left -= size
        (self.folder / _TOTAL).write_text(str(left))

    def _total(self) -> int | None:
        try:
            return int((self.folder / _TOTAL).read_text())
        except (OSError, ValueError):
            return None

    def _count(self, num_bytes: int) -> None:
        """Add to what all processes know of the sum; the lock is held."""
        (self.folder / _TOTAL).write_text(str(max(0, (self._total() or 0) + num_bytes)))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone among all processes and threads."""
        with (self.folder / _LOCK).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{_ENDING}"


def _stat(path: Path) -> os.stat_result | None:
    with suppress(OSError):
        return path.stat()
    return None


def _size(path: Path) -> int:
    stat = _stat(path)
    return stat.st_size if stat else 0


def _remove(path: Path) -> int:
    """Bytes that a file held."""
    num_bytes = _size(path)
    path.unlink(missing_ok=True)
    return num_bytes
