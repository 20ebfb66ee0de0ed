"""What a forward pass changes in a model, such as running statistics: kept, so that a bad batch leaves no trace."""

from __future__ import annotations

import torch
from torch import nn

_Slot = tuple[dict[str, torch.Tensor | None], str]


class KeptBuffers:
    """A copy of a model's buffers as they were after the last good step.

    Those that a checkpoint holds are copied in every step: batch normalization writes to its own without torch's
    counting it. Others are mostly constants, and copied where torch has counted a write. A buffer that is replaced by
    another tensor is followed.
    """

    def __init__(self, model: nn.Module) -> None:
        self._slots: list[_Slot] = []
        self._is_saved: list[bool] = []
        for module in model.modules():
            for name in module._buffers:
                self._slots.append((module._buffers, name))
                self._is_saved.append(name not in module._non_persistent_buffers_set)
        self._kept = [_clone(buffers[name]) for buffers, name in self._slots]
        self._seen = [(buffers[name], _version(buffers[name])) for buffers, name in self._slots]

    @torch.no_grad()
    def keep(self) -> None:
        """The step was good: remember the buffers as they are now."""
        self._copy(self._changed(), is_back=False)

    @torch.no_grad()
    def put_back(self) -> None:
        """The step was not good: make the buffers what they were before it."""
        self._copy(self._changed(), is_back=True)

    @torch.no_grad()
    def choose(self, is_bad: torch.Tensor) -> None:
        """`put_back` or `keep`, as a boolean on the device says, without waiting for it."""
        changed = self._changed()
        for index in changed:
            live, kept = self._live(index), self._kept[index]
            if live is not None and kept is not None and _is_alike(live, kept):
                live.copy_(torch.where(is_bad, kept, live))
        self._copy(changed, is_back=False)

    def _changed(self) -> list[int]:
        if not self._slots:
            return []
        changed = []
        for index, (is_saved, (tensor, version)) in enumerate(zip(self._is_saved, self._seen, strict=True)):
            live = self._live(index)
            if is_saved or live is not tensor or _version(live) != version:
                changed.append(index)
        return changed

    def _copy(self, changed: list[int], *, is_back: bool) -> None:
        targets, sources = [], []
        for index in changed:
            live, kept = self._live(index), self._kept[index]
            if live is not None and kept is not None and _is_alike(live, kept):
                targets.append(live if is_back else kept)
                sources.append(kept if is_back else live)
            elif is_back:
                buffers, name = self._slots[index]
                buffers[name] = _clone(kept)
            else:
                self._kept[index] = _clone(live)
        if targets:
            torch._foreach_copy_(targets, sources)
        for index in changed:
            live = self._live(index)
            self._seen[index] = (live, _version(live))

    def _live(self, index: int) -> torch.Tensor | None:
        buffers, name = self._slots[index]
        return buffers.get(name)


def _is_alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype and one.device == other.device


def _clone(tensor: torch.Tensor | None) -> torch.Tensor | None:
    return None if tensor is None else tensor.detach().clone()


def _version(tensor: torch.Tensor | None) -> int:
    """How often a tensor has been written to, as far as torch has counted."""
    return 0 if tensor is None else tensor._version
