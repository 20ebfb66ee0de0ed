"""Change how a module computes and nothing else: its type, its attributes and its parameters' names stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

Forward = Callable[..., Any]
_INNER = "_drivetrain_inner_forward"


def wrap(module: nn.Module, around: Callable[[Forward], Forward]) -> None:
    """Put a layer around the module's forward, in place; `around` gets what was there and returns what to call."""
    inner = module.forward
    outer = around(inner)
    setattr(outer, _INNER, inner)
    module.forward = outer


def peel(module: nn.Module) -> None:
    """Take the outermost layer off."""
    inner = getattr(module.forward, _INNER)
    del module.forward
    if inner != module.forward:  # a layer below, or a forward that is the module's own and not its class's
        module.forward = inner


def unwrap(model: nn.Module) -> None:
    """Take all our layers off a model and its modules: what an earlier run in this process has put there."""
    for module in model.modules():
        while hasattr(module.forward, _INNER):
            peel(module)
