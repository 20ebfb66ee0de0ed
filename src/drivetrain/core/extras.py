"""Import an optional dependency, or say how to install it."""

from __future__ import annotations

import importlib
from types import ModuleType

from drivetrain.core.errors import MissingExtraError


def require(module: str, *, extra: str) -> ModuleType:
    """The imported module.

    Args:
      module: dotted name, such as `pyarrow.parquet`.
      extra: the extra of ours that brings it.
    Raises: MissingExtraError: it is not installed; the message is the install command.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.partition(".")[0] != module.partition(".")[0]:
            raise
        raise MissingExtraError(
            f"{module} is not installed, and this needs it", hint=f"pip install 'drivetrain[{extra}]'"
        ) from exc
