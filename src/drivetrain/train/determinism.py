"""The same numbers each time on the same machine: torch refuses or replaces operations whose results vary.

What it cannot hold: another number of threads, another device or another version of torch may add up in another order.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from drivetrain.core.errors import ConfigError

_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
_FIXED = (":4096:8", ":16:8")  # the two with which cuBLAS repeats itself, by its manual


@contextmanager
def enforced() -> Iterator[None]:
    """Inside the block torch is deterministic; afterwards, all is as it was. Holds for the whole process.

    Begin before anything runs on an accelerator: its matrix library looks at the environment once.

    Raises: ConfigError: it has looked already, and was told something else.
    """
    workspace = os.environ.get(_WORKSPACE)
    is_started = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]  # torch has no types here
    _check_workspace(workspace, is_started=is_started)
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn = torch.backends.cudnn
    cudnn_before = cudnn.deterministic, cudnn.benchmark
    os.environ[_WORKSPACE] = workspace or _FIXED[0]
    torch.use_deterministic_algorithms(True)
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        cudnn.deterministic, cudnn.benchmark = cudnn_before
        if workspace is None:
            os.environ.pop(_WORKSPACE, None)


def _check_workspace(workspace: str | None, *, is_started: bool) -> None:
    hint = f"export {_WORKSPACE}={_FIXED[0]}, or make dt.Run before anything runs on the accelerator"
    if workspace is not None and workspace not in _FIXED:
        raise ConfigError(
            f"deterministic is True, but {_WORKSPACE} is {workspace!r}, which must be one of {', '.join(_FIXED)}",
            hint=hint,
        )
    if workspace is None and is_started:
        raise ConfigError(
            f"deterministic is True, but the accelerator was used before dt.Run was made, and {_WORKSPACE} is not set",
            hint=hint,
        )
