"""What a capture writes: each file whole or not at all."""

from __future__ import annotations

import gzip
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from drivetrain.core.errors import StoreError
from drivetrain.store import DISK_HINT, publish_file
from drivetrain.store.publish import INCOMPLETE

_LEVEL = 3  # twice as quick as 9 for a tenth more bytes
_ENDING = b"}"


def write_trace(profile: Any, path: Path) -> None:
    """The trace of a profiler that was stopped, gzipped. Raises StoreError: the disk would not take it."""
    raw = path.with_name(f".{path.name}.{os.getpid()}.raw{INCOMPLETE}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        profile.export_chrome_trace(str(raw))
        if not raw.exists():  # the profiler says so on stderr alone
            raise StoreError(f"cannot write {path}: the profiler could not write the trace", hint=DISK_HINT)
        with raw.open("rb") as trace:
            _check_end(trace, path)
            with publish_file(path) as file, gzip.GzipFile(fileobj=file, mode="wb", compresslevel=_LEVEL) as zipped:
                shutil.copyfileobj(trace, zipped, 1 << 20)
    except OSError as exc:
        raise StoreError(f"cannot write {path}: {exc.strerror}", hint=DISK_HINT) from exc
    finally:
        for left in path.parent.glob(f"{raw.name}*"):
            with suppress(OSError):
                left.unlink()


def _check_end(trace: Any, path: Path) -> None:
    """The profiler says nothing of a disk that is full."""
    size = trace.seek(0, os.SEEK_END)
    trace.seek(max(0, size - 64))
    if not trace.read().rstrip().endswith(_ENDING):
        raise StoreError(f"cannot write {path}: the trace lacks its end", hint=DISK_HINT)
    trace.seek(0)


def write_memory(snapshot: object, path: Path) -> None:
    """A snapshot of the allocator as torch's own tools read it (pytorch.org/memory_viz). Raises StoreError."""
    import pickle

    with publish_file(path) as file:
        pickle.dump(snapshot, file)


def drop_leftovers(folder: Path, rank: int) -> None:
    """What this rank's process before left unfinished when it was killed."""
    for path in folder.glob(f".attempt-*.rank-{rank}.*{INCOMPLETE}*"):
        with suppress(OSError):
            path.unlink()


def take_snapshot() -> object:
    """The CUDA allocator's, with the history since `record_history`."""
    return torch.cuda.memory._snapshot()


def record_history(is_on: bool) -> None:
    """Whether the CUDA allocator remembers who allocates."""
    torch.cuda.memory._record_memory_history("all" if is_on else None)
