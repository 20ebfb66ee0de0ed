"""Less memory for more arithmetic: what a block's backward needs is worked out again instead of kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal

import torch
from torch import nn
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

from drivetrain.train import forwards
from drivetrain.train.forwards import Forward

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

    Types, names, and every bit of the result stay: generators and autocast are set back for the second time.
    """
    for block in blocks:
        forwards.wrap(block, partial(_recomputed, amount=amount))


def _recomputed(inner: Forward, amount: Literal["selective", "full"]) -> Forward:
    options: dict[str, Any] = {"context_fn": _selective} if amount == "selective" else {}

    def forward(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return inner(*args, **kwargs)
        return checkpoint(inner, *args, use_reentrant=False, **options, **kwargs)

    return forward


def _selective() -> Any:
    return create_selective_checkpoint_contexts(_policy)  # type: ignore[no-untyped-call]  # torch has no types here


def _policy(_: Any, operator: Callable[..., Any], *__: Any, **___: Any) -> CheckpointPolicy:
    is_costly = getattr(operator, "__name__", "").split(".")[0] in _COSTLY
    return CheckpointPolicy.MUST_SAVE if is_costly else CheckpointPolicy.PREFER_RECOMPUTE
