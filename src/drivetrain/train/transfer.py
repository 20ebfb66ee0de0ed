"""A batch as the loader gives it -> the same batch with its arrays as tensors on the rank's device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

_TENSOR_KINDS = "biufc"  # what torch has dtypes for: bool, signed, unsigned, float, complex


def to_device(batch: Any, device: torch.device) -> Any:
    """Tensors on `device`, from tensors and numeric numpy arrays; other values pass through untouched.

    Dicts, lists, tuples and named tuples are followed. An array on the CPU shares its memory with the tensor.
    """
    kind = type(batch)
    if kind is torch.Tensor:
        return batch if device.type == "cpu" else batch.to(device, non_blocking=True)
    if kind is dict:
        return {key: to_device(value, device) for key, value in batch.items()}
    if kind is list:
        return [to_device(value, device) for value in batch]
    if kind is tuple:
        return tuple([to_device(value, device) for value in batch])
    if kind is np.ndarray:
        return _array(batch).to(device) if batch.dtype.kind in _TENSOR_KINDS else batch
    return map_tensors(batch, lambda tensor: tensor.to(device, non_blocking=True))


def map_tensors(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """The same structure with each tensor changed: dicts, lists, tuples and named tuples are followed."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_tensors(item, change) for item in value))
    if isinstance(value, list | tuple):
        return type(value)(map_tensors(item, change) for item in value)
    if isinstance(value, dict):
        return {key: map_tensors(item, change) for key, item in value.items()}
    return value


def _array(array: np.ndarray[Any, Any]) -> torch.Tensor:
    # torch takes no byte-swapped, reversed or read-only memory (it only warns of the last, but writing would crash).
    usable = array.dtype.isnative and array.flags.writeable and all(stride >= 0 for stride in array.strides)
    return torch.from_numpy(array if usable else array.astype(array.dtype.newbyteorder("="), order="C"))
