"""torch.compile in place, and what it compiled kept in the run's folder for the next start."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from drivetrain.core.errors import ConfigError, UsageError
from drivetrain.train import forwards
from drivetrain.train.forwards import Forward

_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
_HINT = "leave compile out, or make the model one that torch.compile takes"
Phase = Callable[[str], AbstractContextManager[None]]


def apply(modules: Iterable[nn.Module], device: torch.device, phase: Phase) -> None:
    """Have each module's forward compiled when it is first called; types and names stay.

    Args:
      phase: names time in the ledger; the first call of each counts as `compile`.
    Raises: ConfigError: there is no compiler for this device.
    """
    _check_compiler(device)
    for module in modules:
        forwards.wrap(module, partial(_compiled, phase=phase))


class Cache:
    """Where torch keeps what it compiles, while this is open: a folder, unless the user has chosen one already.

    Torch runs what it finds there, code and pickles, so nobody else may be able to write into it. All ranks of a run
    share it: the first to compile something saves it for the others.
    """

    def __init__(self, folder: Path) -> None:
        from torch._inductor.runtime.cache_dir_utils import default_cache_dir  # slow to import

        chosen = os.environ.get(_VARIABLE)  # by the user, or by that import, which sets it to the default
        self._before = None if chosen == default_cache_dir() else chosen
        if self._before is None:
            _make_own(folder)
            os.environ[_VARIABLE] = str(folder)

    def close(self) -> None:
        """Leave torch's choice as it was."""
        if self._before is None:
            os.environ.pop(_VARIABLE, None)
        else:
            os.environ[_VARIABLE] = self._before


def _make_own(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise UsageError(
            f"{folder} is another user's or may be written by others, and what lies there would be run",
            hint=f"delete it, or choose a folder of your own with {_VARIABLE}",
        )


def _compiled(inner: Forward, phase: Phase) -> Forward:
    compiled = torch.compile(inner)
    is_first = True

    def forward(*args: Any, **kwargs: Any) -> Any:
        nonlocal is_first
        if not is_first:
            return compiled(*args, **kwargs)
        with phase("compile"):
            output = _first_call(compiled, args, kwargs)
        is_first = False
        return output

    return forward


def _first_call(compiled: Forward, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    try:
        return compiled(*args, **kwargs)
    except torch._dynamo.exc.TorchDynamoException as exc:
        first_line = str(exc).strip().partition("\n")[0]
        raise UsageError(f"the model could not be compiled: {type(exc).__name__}: {first_line}", hint=_HINT) from exc


def _check_compiler(device: torch.device) -> None:
    if device.type == "cpu":
        from torch._inductor.cpp_builder import get_cpp_compiler
        from torch._inductor.exc import InvalidCxxCompiler

        try:
            get_cpp_compiler()
        except InvalidCxxCompiler as exc:
            raise ConfigError("compile is True, but there is no C++ compiler", hint="install g++, or set CXX") from exc
    else:
        from torch.utils._triton import has_triton

        if not has_triton():
            raise ConfigError(f"compile is True, but triton, which {device} needs, does not work", hint=_HINT)
