"""numba's compiler for numeric kernels, typed, with its cache; modules that import this are imported at first use."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from drivetrain.core.extras import require

_Kernel = TypeVar("_Kernel", bound=Callable[..., Any])


def compiled(kernel: _Kernel) -> _Kernel:
    """The function as machine code, compiled when first called and kept on disk, where there is a place for it.

    numba holds a kept kernel against its own file alone, although the kernels that it calls are part of its code: when
    one of them changed in another file, it would go on as it was. So what is kept is kept for a folder as it is.

    Raises: MissingExtraError: numba is not installed.
    """
    numba = require("numba", extra="compute")
    machine_code = numba.njit(error_model="numpy")(kernel)
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = _kept_in(Path(kernel.__code__.co_filename).parent, before)
    with suppress(RuntimeError):  # no folder that we may write to
        machine_code.enable_caching()
        _take_turns(machine_code._cache)
    numba.config.CACHE_DIR = before
    made: _Kernel = machine_code
    return made


def _take_turns(kept: Any) -> None:
    """Have processes that keep or find code of a kernel do so one by one.

    numba's own take the next free number for what they keep, all at once the same one. One that keeps the code for
    integers could so be called with that for floats, and end by SIGSEGV.
    """
    folder = Path(kept.cache_path)

    def alone(do: Callable[..., Any]) -> Callable[..., Any]:
        def in_turn(*args: Any) -> Any:
            with _alone_in(folder):
                return do(*args)

        return in_turn

    kept.load_overload, kept.save_overload = alone(kept.load_overload), alone(kept.save_overload)


_mine: set[Path] = set()
"""Folders of which it is this process's turn; numba compiles in one thread at a time."""


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """While no other process is; at once where nobody may write, and so nothing changes."""
    if folder in _mine or (descriptor := _opened(folder)) is None:
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _mine.add(folder)
        yield
    finally:
        _mine.discard(folder)
        os.close(descriptor)


def _opened(folder: Path) -> int | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None


@cache
def _kept_in(folder: Path, chosen: str) -> str:
    """Where the machine code of a folder's kernels is kept: another place whenever one of its files has changed.

    Args:
      chosen: where numba has been told to keep such things; empty for beside the files.
    """
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.py")):
        digest.update(f"{file.name}\0".encode() + file.read_bytes())
    beside = folder / "__pycache__" if os.access(folder, os.W_OK) else Path.home() / ".cache" / "drivetrain"
    return str(Path(chosen or beside) / f"kernels-{digest.hexdigest()[:16]}")
