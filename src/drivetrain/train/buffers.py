"""Rank 0's tensors on every rank: buffers before each update, and a model's weights before the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import distributed, nn


def evener(model: nn.Module) -> Callable[[], None] | None:
    """What gives every rank rank 0's buffers, to be called before each update; None when the model saves no buffer.

    As DDP does before each forward, but once a step, so that the state after a step is the same on every rank. Buffers
    that are not saved (`persistent=False`) can be worked out anew and stay as they are.
    """
    held = [
        (module._buffers, name)
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None and name not in module._non_persistent_buffers_set
    ]
    if not held:
        return None
    return lambda: broadcast([buffer for buffers, name in held if (buffer := buffers[name]) is not None])


@torch.no_grad()
def broadcast(tensors: Sequence[torch.Tensor]) -> None:
    """Overwrite with rank 0's values, one message for each dtype and device. Collective."""
    kinds: dict[tuple[torch.dtype, torch.device], list[torch.Tensor]] = {}
    for tensor in tensors:
        kinds.setdefault((tensor.dtype, tensor.device), []).append(tensor)
    for same in kinds.values():
        flat = torch.cat([tensor.detach().reshape(-1) for tensor in same])
        distributed.broadcast(flat, src=0)
        for tensor, values in zip(same, torch.split(flat, [tensor.numel() for tensor in same]), strict=True):
            tensor.detach().copy_(values.view(tensor.shape))
