"""Modules that others import and hardly ever use: loaded when something of them is first asked for.

Agents and commands are made of imports: `pathlib` alone brings what Windows' paths and IPv6 addresses need.
"""

from __future__ import annotations

import sys
from types import ModuleType


class Late:
    """While entered, what imports one of these modules gets one that loads itself at first use; others do not see it.

    Args:
      names: modules that are imported whole (`import x`), and of which nothing is asked meanwhile.
    """

    def __init__(self, *names: str) -> None:
        self._late = {name: _LateModule(name) for name in names if name not in sys.modules}

    def __enter__(self) -> None:
        sys.modules.update(self._late)

    def __exit__(self, *exc: object) -> None:
        for name, module in self._late.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


class _LateModule(ModuleType):
    def __getattr__(self, name: str) -> object:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        import importlib

        real = importlib.import_module(self.__name__)
        self.__dict__.update(real.__dict__)
        self.__class__ = ModuleType  # type: ignore[assignment]  # it is one now
        value: object = getattr(real, name)
        return value
