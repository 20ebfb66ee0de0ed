"""Pieces of files that were read last, within a budget of bytes, so that neighbours are not read again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")
CACHE_BYTES = 64 << 20
"""Of all files of one log together; the newest piece is always kept, however large."""


class Cache(Generic[T]):
    """Pieces by file and place; may be used from any thread."""

    def __init__(self, num_bytes: Callable[[T], int]) -> None:
        self._num_bytes = num_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Path, int], T] = OrderedDict()
        self._total = 0

    def get(self, path: Path, place: int, load: Callable[[], T]) -> T:
        """A piece, loaded where it is not kept; whatever loading raises is passed on and nothing is kept."""
        key = (path, place)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        piece = load()
        with self._lock:
            if key not in self._kept:  # another thread may have loaded it meanwhile
                self._kept[key] = piece
                self._total += self._num_bytes(piece)
            while len(self._kept) > 1 and self._total > CACHE_BYTES:
                self._total -= self._num_bytes(self._kept.popitem(last=False)[1])
        return piece
