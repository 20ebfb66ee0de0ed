"""Each module's forward as an annotation `nn.Module: encoder.conv`, so that operators can be told apart by module."""

from __future__ import annotations

import threading
from typing import Any

from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.profiler import record_function


class Modules:
    """For the modules of one model, in the training thread, from `start` to `stop`.

    A model that is compiled must be left alone: torch compiles it anew where such hooks come and go.
    """

    def __init__(self, model: nn.Module) -> None:
        self._names = {id(module): name or type(module).__name__ for name, module in model.named_modules()}
        self._thread = threading.get_ident()
        self._open: list[tuple[int, Any]] = []
        self._hooks: list[Any] = []

    def start(self) -> None:
        """From here on."""
        self._hooks = [
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave, always_call=True),
        ]

    def stop(self) -> None:
        """Until here; twice is fine."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        while self._open:
            self._open.pop()[1].__exit__(None, None, None)

    def _enter(self, module: nn.Module, _: Any) -> None:
        name = self._names.get(id(module))
        if name is not None and threading.get_ident() == self._thread:
            annotation = record_function(f"nn.Module: {name}")
            annotation.__enter__()  # type: ignore[no-untyped-call]  # torch has no types here
            self._open.append((id(module), annotation))

    def _leave(self, module: nn.Module, *_: Any) -> None:
        if self._open and self._open[-1][0] == id(module) and threading.get_ident() == self._thread:
            self._open.pop()[1].__exit__(None, None, None)
