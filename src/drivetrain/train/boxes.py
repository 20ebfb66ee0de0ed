"""A live tensor, whole or sharded over ranks, as the box of it that this rank holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

from drivetrain.store.layout import DTYPES, Block


@dataclass(frozen=True, slots=True)
class Held:
    """What this rank holds of a tensor.

    Attributes:
      local: the memory, shared with the tensor.
      offsets: where in the whole tensor it begins, by axis.
      is_everywhere: whether every rank holds all of it.
      num_replicas, replica: of a shard: how many ranks hold this same one, and which of them this one is.
    """

    local: torch.Tensor
    offsets: tuple[int, ...]
    is_everywhere: bool = True
    num_replicas: int = 1
    replica: int = 0


def held(tensor: torch.Tensor) -> Held:
    """What this rank holds of a tensor.

    Raises: TypeError: it is sharded so that parts of a sum lie on different ranks.
    """
    tensor = tensor.detach()
    if not isinstance(tensor, DTensor):
        return Held(tensor, (0,) * tensor.dim())
    mesh, placements = tensor.device_mesh, tensor.placements
    if any(placement.is_partial() for placement in placements):
        raise TypeError(f"it is placed as {placements}, whose parts have to be added up first")
    _, offsets = compute_local_shape_and_global_offset(tensor.shape, mesh, placements)
    coordinate = mesh.get_coordinate()
    assert coordinate is not None
    num_replicas, replica = 1, 0
    for axis, placement in enumerate(placements):
        if placement.is_replicate():
            num_replicas *= mesh.size(axis)
            replica = replica * mesh.size(axis) + coordinate[axis]
    return Held(tensor.to_local(), tuple(offsets), num_replicas == mesh.size(), num_replicas, replica)


def block(name: str, index: int, tensor: torch.Tensor) -> Block | None:
    """What this rank may have to write of a tensor; None when a replica of it writes that.

    Args:
      name: tensors under `rank/` are this rank's alone.
      index: among all tensors; replicas take turns by it.
    Raises: TypeError: a checkpoint cannot hold it.
    """
    dtype = str(tensor.dtype).removeprefix("torch.")
    if dtype not in DTYPES or tensor.layout != torch.strided:
        raise TypeError(f"{name} is a tensor of {dtype}, {tensor.layout}, which a checkpoint cannot hold")
    box = held(tensor)
    is_everywhere = box.is_everywhere and not name.startswith("rank/")
    is_empty = bool(tensor.numel()) and not box.local.numel()
    if not is_everywhere and (is_empty or index % box.num_replicas != box.replica):
        return None
    return Block(name, dtype, tuple(tensor.shape), box.offsets, tuple(box.local.shape), is_everywhere)


def room(shape: tuple[int, ...], dtype: torch.dtype, parameter: torch.Tensor | None) -> torch.Tensor:
    """Memory for a tensor, sharded like the parameter that it belongs to where it has its shape."""
    if not isinstance(parameter, DTensor) or tuple(parameter.shape) != shape:
        return torch.empty(shape, dtype=dtype)
    return around(torch.empty(parameter.to_local().shape, dtype=dtype, device=parameter.device), parameter)


def around(local: torch.Tensor, parameter: torch.Tensor | None) -> torch.Tensor:
    """A shard as part of a tensor that is sharded like the parameter it belongs to; anything else as it is."""
    if not isinstance(parameter, DTensor) or parameter.to_local().shape != local.shape or not local.dim():
        return local
    return DTensor.from_local(
        local,
        parameter.device_mesh,
        parameter.placements,
        run_check=False,
        shape=parameter.shape,
        stride=parameter.stride(),
    )


def spread_like(parameter: torch.Tensor, value: Any) -> Any:
    """A whole tensor of a sharded parameter's shape as a shard like the parameter's; anything else as it is."""
    is_whole = isinstance(value, torch.Tensor) and not isinstance(value, DTensor) and value.shape == parameter.shape
    if not is_whole or not isinstance(parameter, DTensor):
        return value
    return distribute_tensor(value, parameter.device_mesh, parameter.placements, src_data_rank=None)
