"""Values -> the arrays of the kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from drivetrain.compute.policy.packing.words import WHOLE, Machine, Shape

if TYPE_CHECKING:
    from drivetrain.compute.policy.packing.kernels.state import Free, Shapes


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
