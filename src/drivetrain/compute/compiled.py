"""numba's compiler for numeric kernels, typed, with its cache; modules that import this are imported at first use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from drivetrain.core.extras import require

_Kernel = TypeVar("_Kernel", bound=Callable[..., Any])


def compiled(kernel: _Kernel) -> _Kernel:
    """The function as machine code, compiled when first called and kept on disk beside its file.

    Raises: MissingExtraError: numba is not installed.
    """
    machine_code: _Kernel = require("numba", extra="compute").njit(cache=True, error_model="numpy")(kernel)
    return machine_code
