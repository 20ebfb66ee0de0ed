"""Which arithmetic a forward pass uses; weights, gradients and outputs stay float32."""

from __future__ import annotations

import importlib.util
from typing import Literal

import torch
from torch import nn

from drivetrain.core.errors import ConfigError
from drivetrain.train import forwards
from drivetrain.train.settings import Precision
from drivetrain.train.transfer import map_tensors

Resolved = Literal["fp32", "bf16", "fp16", "fp8"]

_FP8_CAPABILITY = (8, 9)


def resolve(precision: Precision, device: torch.device) -> Resolved:
    """What `auto` means on this device.

    Raises: ConfigError: the device has not what was asked for, or a library for it is missing; says which.
    """
    has_bf16 = device.type == "cpu" or (
        device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    )
    if precision == "auto":
        return "bf16" if device.type == "cuda" and has_bf16 else "fp32"
    if precision == "bf16" and not has_bf16:
        raise ConfigError(f"precision is 'bf16', which {device} has not", hint='use precision="auto"')
    if precision == "fp8":
        _check_fp8(device)
    return precision


def apply(model: nn.Module, precision: Resolved, device: torch.device) -> None:
    """Make the model's forward run in this precision, in place; its type and its parameters' names stay.

    fp8 is for the products of large linear layers, whose modules torchao replaces; all else is then bf16.
    """
    if precision == "fp32":
        return
    if precision == "fp8":
        _to_fp8(model)
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16

    def around(inner: forwards.Forward) -> forwards.Forward:
        def forward(*args: object, **kwargs: object) -> object:
            with torch.autocast(device.type, dtype=dtype):
                output = inner(*args, **kwargs)
            return map_tensors(output, _to_float32)

        return forward

    forwards.wrap(model, around)


def _to_float32(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor


def _check_fp8(device: torch.device) -> None:
    hint = 'use precision="bf16"'
    if device.type != "cuda":
        raise ConfigError(f"precision is 'fp8', which {device} has not: it needs an NVIDIA accelerator", hint=hint)
    capability = torch.cuda.get_device_capability(device)
    if capability < _FP8_CAPABILITY:
        raise ConfigError(
            f"precision is 'fp8', but {torch.cuda.get_device_name(device)} has compute capability "
            f"{capability[0]}.{capability[1]} and fp8 needs 8.9",
            hint=hint,
        )
    if importlib.util.find_spec("torchao") is None:
        raise ConfigError("precision is 'fp8', but torchao is not installed", hint=f"pip install torchao, or {hint}")


def _to_fp8(model: nn.Module) -> None:
    from torchao.float8 import convert_to_float8_training  # type: ignore[import-not-found]  # only where it is asked for

    convert_to_float8_training(model, module_filter_fn=_takes_fp8)


def _takes_fp8(module: nn.Module, _name: str) -> bool:
    """The accelerator's fp8 products need both sizes to be multiples of 16."""
    return isinstance(module, nn.Linear) and module.in_features % 16 == 0 and module.out_features % 16 == 0
