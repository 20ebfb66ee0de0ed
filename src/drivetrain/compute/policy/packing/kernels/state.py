"""What the kernels read and change, and what fits where.

Letters in shapes of arrays: N nodes in the order in which ties are broken, G devices of the largest node, T shapes, M
models, E events. All are int64 unless said otherwise; memory in MiB.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from drivetrain.compute.compiled import compiled

WHOLE = 1000
"""Milli of a whole device."""

Array = Any
"""An array; numba has its shape and type checked when it compiles."""


class Shapes(NamedTuple):
    """What is asked for. `allowed` is [T, M] bool; the others are [T]."""

    cpu: Array
    memory: Array
    num_gpus: Array
    milli: Array
    allowed: Array


class Free(NamedTuple):
    """What nodes have left: `cpu`, `memory`, `model` are [N]; `gpu` is [N, G], 0 where a node has no such device."""

    cpu: Array
    memory: Array
    gpu: Array
    model: Array


@compiled
def fits(shapes: Shapes, free: Free, shape: int, node: int) -> bool:
    """Whether a node could take a shape now."""
    if free.cpu[node] < shapes.cpu[shape] or free.memory[node] < shapes.memory[shape]:
        return False
    wanted = shapes.num_gpus[shape]
    if wanted == 0:
        return True
    if not shapes.allowed[shape, free.model[node]]:
        return False
    found = 0
    for device in range(free.gpu.shape[1]):
        if free.gpu[node, device] >= shapes.milli[shape]:
            found += 1
            if found == wanted:
                return True
    return False


@compiled
def first_devices(shapes: Shapes, free: Free, shape: int, node: int) -> int:
    """The first devices with enough, as bits."""
    mask, wanted = 0, shapes.num_gpus[shape]
    for device in range(free.gpu.shape[1]):
        if wanted > 0 and free.gpu[node, device] >= shapes.milli[shape]:
            mask |= 1 << device
            wanted -= 1
    return mask


@compiled
def take(shapes: Shapes, free: Free, shape: int, node: int, mask: int, sign: int) -> None:
    """Take a shape's part of a node (sign 1), or give it back (sign -1)."""
    free.cpu[node] -= sign * shapes.cpu[shape]
    free.memory[node] -= sign * shapes.memory[shape]
    for device in range(free.gpu.shape[1]):
        if mask >> device & 1:
            free.gpu[node, device] -= sign * shapes.milli[shape]
