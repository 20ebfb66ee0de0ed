"""Values -> the arrays of the kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from drivetrain.compute.policy.packing.words import WHOLE, Machine, Shape

if TYPE_CHECKING:
    from drivetrain.compute.policy.packing.kernels.priced import Summary
    from drivetrain.compute.policy.packing.kernels.run import Cache, Placed
    from drivetrain.compute.policy.packing.kernels.state import Free, Shapes

_MOST_CELLS = 1 << 22
"""Of the cache; beyond that, shapes share rows. 20 bytes each."""


def shapes_arrays(shapes: Sequence[Shape], models: Sequence[str]) -> Shapes:
    """Shapes as the kernels read them."""
    from drivetrain.compute.policy.packing.kernels.state import Shapes

    allowed = [[not shape.models or model in shape.models for model in models] for shape in shapes]
    return Shapes(
        cpu=np.array([shape.cpu_milli for shape in shapes], np.int64),
        memory=np.array([shape.memory_mib for shape in shapes], np.int64),
        num_gpus=np.array([shape.num_gpus for shape in shapes], np.int64),
        milli=np.array([shape.gpu_milli for shape in shapes], np.int64),
        allowed=np.array(allowed, np.bool_).reshape(len(shapes), len(models)),
    )


def free_arrays(machines: Sequence[Machine], models: Sequence[str]) -> Free:
    """Empty nodes as the kernels read and change them."""
    from drivetrain.compute.policy.packing.kernels.state import Free

    most = max((machine.num_gpus for machine in machines), default=0)
    gpu = np.zeros((len(machines), max(most, 1)), np.int64)
    for row, machine in enumerate(machines):
        gpu[row, : machine.num_gpus] = WHOLE
    return Free(
        cpu=np.array([machine.cpu_milli for machine in machines], np.int64),
        memory=np.array([machine.memory_mib for machine in machines], np.int64),
        gpu=gpu,
        model=np.array([models.index(machine.model) for machine in machines], np.int64),
    )


def empty_cache(num_shapes: int, num_nodes: int) -> Cache:
    """With nothing in it, and a row for each shape where that is not too many."""
    from drivetrain.compute.policy.packing.kernels.run import Cache

    num_rows = max(1, min(num_shapes, _MOST_CELLS // max(num_nodes, 1)))
    return Cache(
        owner=np.full(num_rows, -1, np.int64),
        cost=np.zeros((num_rows, num_nodes)),
        mask=np.zeros((num_rows, num_nodes), np.int64),
        seen=np.zeros((num_rows, num_nodes), np.int32),
        changes=np.ones(num_nodes, np.int32),
        standing=np.zeros(num_nodes),
    )


def empty_summary(num_nodes: int, most_gpus: int) -> Summary:
    """Of nodes that nobody has looked at."""
    from drivetrain.compute.policy.packing.kernels.priced import Summary

    slices, milli, worth, num_sizes, largest, room = (np.zeros(num_nodes, np.int64) for _ in range(6))
    sizes, device = (np.zeros((num_nodes, most_gpus), np.int64) for _ in range(2))
    return Summary(slices, milli, worth, num_sizes, sizes, device, largest, room, np.zeros(2, np.int64))


def none_placed(num_events: int) -> Placed:
    """No event has a place yet."""
    from drivetrain.compute.policy.packing.kernels.run import NOWHERE, Placed

    return Placed(np.full(num_events, NOWHERE, np.int64), np.zeros(num_events, np.int64))
