"""The live weights as one safetensors file, for people without Drivetrain."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.distributed.tensor import DTensor

from drivetrain.store.export import whole_block, write_safetensors
from drivetrain.train.topology import Topology


def export(network: nn.Module, path: Path, topology: Topology, *, force: bool) -> None:
    """Write weights and buffers, under the network's own names, whole. Collective; rank 0 writes.

    Raises:
      UsageError: the file is there, and not `force`.
      StoreError: the disk would not take it.
    """
    tensors = {}
    for name, value in network.state_dict().items():
        if isinstance(value, torch.Tensor):
            whole = value.full_tensor() if isinstance(value, DTensor) else value
            if topology.rank == 0:
                tensors[name] = whole.detach().cpu().contiguous()

    def write() -> None:
        blocks = {
            name: whole_block(name, str(tensor.dtype).removeprefix("torch."), tensor.shape)
            for name, tensor in tensors.items()
        }
        write_safetensors(path, blocks, lambda name: _bytes(tensors[name]), force=force)

    topology.on_main(write)


def _bytes(tensor: torch.Tensor) -> bytes:
    content: bytes = tensor.view(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
    return content
