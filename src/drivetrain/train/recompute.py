"""Less memory for more arithmetic: what a block's backward needs is worked out again instead of kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, Literal

import torch
from torch import nn
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

from drivetrain.train import forwards
from drivetrain.train.forwards import Forward

_Context = AbstractContextManager[Any]
_COSTLY = {
    "mm",
    "addmm",
    "bmm",
    "baddbmm",
    "convolution",
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention",
}


def apply(blocks: Iterable[nn.Module], amount: Literal["selective", "full"]) -> None:
    """Make each block's forward keep only its input, and with `selective` the results of its matrix products too.

    Types, names, and every bit of the result stay: the second time has the generators and the autocast of the first,
    and what it does to buffers (batch norm's, for one) is undone.
    """
    for block in blocks:
        forwards.wrap(block, partial(_recomputed, block=block, amount=amount))


def _recomputed(inner: Forward, block: nn.Module, amount: Literal["selective", "full"]) -> Forward:
    contexts = partial(_contexts, block, amount)

    def forward(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return inner(*args, **kwargs)
        return checkpoint(inner, *args, use_reentrant=False, context_fn=contexts, **kwargs)

    return forward


def _contexts(block: nn.Module, amount: Literal["selective", "full"]) -> tuple[_Context, _Context]:
    """Around the first time and the second."""
    first: _Context = nullcontext()
    second: _Context = nullcontext()
    if amount == "selective":
        first, second = create_selective_checkpoint_contexts(_policy)  # type: ignore[no-untyped-call]  # torch has no types here
    buffers = list(block.buffers())
    is_eager = not torch.compiler.is_compiling()  # compiled code does to buffers once what it does
    return first, _undoing(buffers, second) if buffers and is_eager else second


@contextmanager
def _undoing(buffers: list[torch.Tensor], inner: _Context) -> Iterator[None]:
    kept = [buffer.clone() for buffer in buffers]
    try:
        with inner:
            yield
    finally:  # torch leaves by an exception as soon as it has all that it needs
        with torch.no_grad():
            for buffer, before in zip(buffers, kept, strict=True):
                buffer.copy_(before)


def _policy(_: Any, operator: Callable[..., Any], *__: Any, **___: Any) -> CheckpointPolicy:
    is_costly = getattr(operator, "__name__", "").split(".")[0] in _COSTLY
    return CheckpointPolicy.MUST_SAVE if is_costly else CheckpointPolicy.PREFER_RECOMPUTE
