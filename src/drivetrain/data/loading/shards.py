"""Bytes of samples out of shards, near or far: one seam for folders and buckets."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from drivetrain.core.errors import SampleError

_MOST_OPEN = 64


class Shards(Protocol):
    """Where the shards of a data set are. Any thread may call."""

    def read(self, shard: str, offset: int, num_bytes: int, /) -> bytes:
        """Bytes of a shard; fewer where it ends before.

        Raises: SampleError: this shard cannot be read. StoreError: no shard can, for now.
        """
        ...

    def forget(self, shard: str, offset: int, num_bytes: int, /) -> bool:
        """Drop what is kept of these bytes, which turned out to be wrong; whether reading again may help."""
        ...

    def will_need(self, wanted: Sequence[tuple[str, int, int]], /) -> None:
        """Say what will be read soon (shard, offset, bytes), so that it can be fetched meanwhile."""
        ...

    def close(self) -> None:
        """Let go of files and threads; reading again is allowed, and so is closing twice."""
        ...


class _File:
    """A descriptor that is closed when the last reader lets go of it."""

    __slots__ = ("descriptor",)

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)


class FolderShards:
    """Shards in a folder; the last used ones stay open."""

    def __init__(self, folder: Path) -> None:
        """Opens nothing yet."""
        self._folder = folder
        self._open: OrderedDict[str, _File] = OrderedDict()
        self._lock = threading.RLock()  # a finalizer may come while this thread holds it

    def __reduce__(self) -> tuple[type[FolderShards], tuple[Path]]:
        """In another process: the same folder, nothing open yet."""
        return FolderShards, (self._folder,)

    def read(self, shard: str, offset: int, num_bytes: int) -> bytes:
        """Bytes of a shard. Raises SampleError: it cannot be read."""
        try:
            file = self._file(shard)  # held until it is read, so that nobody closes it meanwhile
            return os.pread(file.descriptor, num_bytes, offset)
        except OSError as exc:
            raise SampleError(f"cannot read {self._folder / shard}: {exc.strerror}") from exc

    def forget(self, shard: str, offset: int, num_bytes: int) -> bool:  # noqa: ARG002 - nothing is kept
        """Reading again gives the same."""
        return False

    def will_need(self, wanted: Sequence[tuple[str, int, int]]) -> None:
        """The operating system reads ahead by itself."""

    def close(self) -> None:
        """Close what is open."""
        with self._lock:
            self._open.clear()

    def _file(self, shard: str) -> _File:
        with self._lock:
            file = self._open.get(shard)
            if file is None:
                file = self._open[shard] = _File(self._folder / shard)
                if len(self._open) > _MOST_OPEN:
                    self._open.popitem(last=False)
            else:
                self._open.move_to_end(shard)
            return file
