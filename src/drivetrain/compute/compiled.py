"""numba's compiler for numeric kernels, typed, with its cache; modules that import this are imported at first use."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
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
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = _kept_in(Path(kernel.__code__.co_filename).parent, before)
    machine_code: _Kernel
    try:
        machine_code = numba.njit(cache=True, error_model="numpy")(kernel)
    except RuntimeError:  # no folder that we may write to
        machine_code = numba.njit(error_model="numpy")(kernel)
    finally:
        numba.config.CACHE_DIR = before
    return machine_code


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
