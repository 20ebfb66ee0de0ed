"""A loss that no step can be made of: what is wrong with it, in words."""

from __future__ import annotations

import torch

from drivetrain.core.errors import UsageError

_TWICE = "backward through the graph a second time"


def misuse(loss: object, error: Exception) -> UsageError | None:
    """Why `run.step` failed, where that is because of what it was given; None where the loss is as it should be."""
    if not isinstance(loss, torch.Tensor):
        return UsageError(
            f"run.step was given a {type(loss).__name__}, but takes the loss as a tensor",
            hint="run.step(loss), not run.step(loss.item()): it computes the gradient",
        )
    if loss.numel() != 1:
        return UsageError(
            f"run.step was given a loss of shape {tuple(loss.shape)}, but takes one number",
            hint="run.step(loss.mean()), the mean over the microbatch",
        )
    if not loss.requires_grad:
        return UsageError(
            "run.step was given a loss that depends on no weight",
            hint="it was detached or computed under torch.no_grad(), or all weights are frozen",
        )
    if _TWICE in str(error):
        return UsageError(
            "run.step was given a loss whose gradient was taken already",
            hint="leave loss.backward(), clipping and optimizer.step() out: run.step does them",
        )
    return None
