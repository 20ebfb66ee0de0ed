"""Names of a package that are loaded at first use, so that whoever wants one does not wait for all."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def lazily(package: str, files: Mapping[str, str]) -> Callable[[str], object]:
    """A `__getattr__` for a package.

    Args:
      package: its dotted name.
      files: name -> the file of the package that has it; a file must not be called as one of the names is.
    """

    def load(name: str) -> object:
        if name not in files:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        file = f"{package}.{files[name]}"
        __import__(file)  # `importlib` would be imported for it, which short commands and agents do without
        value: object = getattr(sys.modules[file], name)
        setattr(sys.modules[package], name, value)
        return value

    return load
