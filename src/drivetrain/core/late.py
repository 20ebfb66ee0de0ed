"""Modules that others import and hardly ever use: loaded when something of them is first asked for.

Agents are made of imports: `pathlib` alone brings what Windows' paths and URLs need.
"""

from __future__ import annotations

import sys
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Late:
    """While entered, what imports one of these modules gets one that loads itself at first use; others do not see it.

    Args:
      names: modules that are imported whole (`import x`), and of which nothing is asked meanwhile; or of which
        functions are imported, as `x:f,g`.
    """

    def __init__(self, *names: str) -> None:
        self._late: dict[str, _LateModule] = {}
        for each in names:
            name, _, functions = each.partition(":")
            if name not in sys.modules:
                self._late[name] = _LateModule(name)
                for function in filter(None, functions.split(",")):
                    setattr(self._late[name], function, _late_function(name, function))

    def __enter__(self) -> None:
        sys.modules.update(self._late)

    def __exit__(self, *exc: object) -> None:
        for name, module in self._late.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


def _late_function(module: str, name: str) -> Callable[..., object]:
    def function(*values: object, **named: object) -> object:
        import importlib

        found: Callable[..., object] = getattr(importlib.import_module(module), name)
        return found(*values, **named)

    return function


class _LateModule(ModuleType):
    def __getattr__(self, name: str) -> object:
        if name == "__path__":  # which `from` asks for, to know whether this is a package
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        import importlib

        real = importlib.import_module(self.__name__)
        self.__dict__.update(real.__dict__)
        self.__class__ = ModuleType  # type: ignore[assignment]  # it is one now
        value: object = getattr(real, name)
        return value
