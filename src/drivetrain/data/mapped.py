"""Index files mapped into memory, whose pages leave this process again: they count as its memory while they are in it.

The system keeps what it has read as long as it has room, so that a page which is needed again costs a microsecond.
"""

from __future__ import annotations

import mmap
import weakref
from pathlib import Path

import pyarrow as pa

from drivetrain.core.errors import DataError

_LARGE_BYTES = 32 << 20
_large: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


def read_arrow(file: Path) -> pa.Table:
    """The table in an Arrow file, over its mapped bytes. Raises DataError: it is none."""
    try:
        with file.open("rb") as opened:
            mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        table = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(mapped))).read_all()
    except (OSError, ValueError, pa.ArrowInvalid) as exc:  # ValueError: an empty file cannot be mapped
        raise DataError(f"{file} is not an Arrow file: {exc}") from exc
    if len(mapped) >= _LARGE_BYTES:
        _large.add(mapped)
    return table


def let_go() -> None:
    """Take the pages of large index files out of this process's memory; reading them brings them back."""
    for mapped in list(_large):
        mapped.madvise(mmap.MADV_DONTNEED)
