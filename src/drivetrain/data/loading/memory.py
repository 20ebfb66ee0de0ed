"""Memory of batches that is used again: fresh memory would be zeroed by the kernel, page by page, for each batch."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from drivetrain.data.arrays import Bytes

_LEAST_BYTES = 1 << 20  # below, an allocation costs less than keeping it
_MOST_FREE = 4


def plain_memory(num_bytes: int) -> Bytes:
    """Memory of this process, not initialised."""
    return np.empty(num_bytes, np.uint8)


class Memory:
    """Arrays whose memory comes back by itself when nobody holds the array, a view or a tensor of it any more.

    Any thread may ask, and any thread may forget.
    """

    def __init__(self, allocate: Callable[[int], Bytes] = plain_memory) -> None:
        """Allocates nothing yet; `allocate` gives new memory of so many bytes, pinned for one."""
        self._allocate = allocate
        # Only calls that no other thread can come between: a lock could be asked for by a collection inside itself.
        self._free: dict[int, deque[Bytes]] = {}

    def array(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array, not initialised."""
        dtype = np.dtype(dtype)
        num_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if num_bytes < _LEAST_BYTES:
            return np.empty(shape, dtype)
        free = self._free.setdefault(num_bytes, deque(maxlen=_MOST_FREE))
        try:
            buffer = free.pop()
        except IndexError:
            buffer = self._allocate(num_bytes)
        # A memoryview between: views of `lent` keep `lent` itself alive, and not only the buffer below it.
        lent = np.frombuffer(buffer.data, np.uint8)
        weakref.finalize(lent, free.append, buffer).atexit = False
        return lent.view(dtype).reshape(shape)

    def clear(self) -> None:
        """Let go of what is free."""
        self._free = {}
