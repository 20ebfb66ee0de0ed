"""The blocks of a model: the parts that are gathered, recomputed and compiled one at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from torch import nn

from drivetrain.core.errors import ConfigError

_ROWS = (nn.ModuleList, nn.Sequential)
_NO_FORWARD = (nn.ModuleList, nn.ModuleDict)


def find_blocks(model: nn.Module, wrap: Literal["auto"] | int | Sequence[str] = "auto") -> list[nn.Module]:
    """The blocks in a model, each before what holds it; the model itself is none.

    Args:
      wrap: `auto` takes the outermost modules that have parts of their own and stand in a list or sequence beside
        another of their class, as the layers of a transformer do; names are of classes; a number is the fewest
        parameters of a block, and no parameter is counted for two of them.
    Raises: ConfigError: no module has such a class; lists those there are.
    """
    found: list[nn.Module] = []
    if isinstance(wrap, int):
        _sized(model, wrap, found)
    elif wrap == "auto":
        _repeated(model, found)
    else:
        found = _named(model, tuple(wrap))
    return [module for module in found if module is not model]


def _named(model: nn.Module, names: tuple[str, ...]) -> list[nn.Module]:
    modules = [module for module in model.modules() if module is not model and not isinstance(module, _NO_FORWARD)]
    present = sorted({type(module).__name__ for module in modules})
    missing = [name for name in names if name not in present]
    if missing:
        raise ConfigError(
            f"wrap names {', '.join(missing)}, but no module of the model is of that class",
            hint=f"its modules are of {', '.join(present) or 'no class at all'}",
        )
    return [module for module in reversed(modules) if type(module).__name__ in names]


def _repeated(module: nn.Module, found: list[nn.Module]) -> None:
    counts = Counter(type(child) for child in module.children()) if isinstance(module, _ROWS) else Counter()
    for child in module.children():
        is_made_of_parts = next(child.children(), None) is not None and not isinstance(child, _NO_FORWARD)
        if counts[type(child)] > 1 and is_made_of_parts and next(child.parameters(), None) is not None:
            if child not in found:
                found.append(child)
        else:
            _repeated(child, found)


def _sized(module: nn.Module, least: int, found: list[nn.Module]) -> int:
    """Add the blocks in `module`; returns how many of its parameters are in none of them."""
    own = sum(parameter.numel() for parameter in module.parameters(recurse=False))
    left = own + sum(_sized(child, least, found) for child in module.children())
    if left < least or isinstance(module, _NO_FORWARD) or module in found:
        return left
    found.append(module)
    return 0
