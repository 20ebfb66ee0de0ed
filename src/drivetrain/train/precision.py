"""Which arithmetic a forward pass uses; weights, gradients and outputs stay float32."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from drivetrain.core.errors import ConfigError
from drivetrain.train import forwards
from drivetrain.train.settings import Precision
from drivetrain.train.transfer import map_tensors


def resolve(precision: Precision, device: torch.device) -> Literal["fp32", "bf16"]:
    """What `auto` means on this device.

    Raises: ConfigError: bf16 was asked for and the device has none.
    """
    has_bf16 = device.type == "cpu" or (
        device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    )
    if precision == "auto":
        return "bf16" if device.type == "cuda" and has_bf16 else "fp32"
    if precision == "bf16" and not has_bf16:
        raise ConfigError(f"precision is 'bf16', which {device} has not", hint='use precision="auto"')
    return precision


def apply(model: nn.Module, precision: Literal["fp32", "bf16"], device: torch.device) -> None:
    """Make the model's forward run in this precision, in place; its type and its parameters' names stay."""
    if precision == "fp32":
        return

    def around(inner: forwards.Forward) -> forwards.Forward:
        def forward(*args: object, **kwargs: object) -> object:
            with torch.autocast(device.type, dtype=torch.bfloat16):
                output = inner(*args, **kwargs)
            return map_tensors(output, _to_float32)

        return forward

    forwards.wrap(model, around)


def _to_float32(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.dtype == torch.bfloat16 else tensor
