"""What the free part of a node is worth, in devices."""

from __future__ import annotations

from typing import NamedTuple

from drivetrain.compute.compiled import compiled
from drivetrain.compute.policy.packing.kernels.state import WHOLE, Array, Free


class Prices(NamedTuple):
    """What is worth what.

    Attributes:
      slice: a free slice of a device, by its milli; float64 [WHOLE + 1].
      cpu_per_gpu, memory_per_gpu: what comes with a whole device in the mean; milli of cores, MiB.
      idle: what a device costs that is left without its cores or memory.
      model: of a device of each model, by how much of what is asked for may have it; float64 [M], about 1.
    """

    slice: Array
    cpu_per_gpu: float
    memory_per_gpu: float
    idle: float
    model: Array


@compiled
def worth(prices: Prices, free: Free, node: int, cpu: int, memory: int, milli: int, mask: int) -> float:
    """Of a node once so much `cpu`, `memory`, and `milli` of each device in `mask` are taken from it.

    Devices without the cores or the memory that usually come with them are worth less.
    """
    slices, total = 0.0, 0
    for device in range(free.gpu.shape[1]):
        left = free.gpu[node, device]
        if mask >> device & 1:
            left -= milli
        slices += prices.slice[left]
        total += left
    gpus = total / WHOLE
    served = min((free.cpu[node] - cpu) / prices.cpu_per_gpu, (free.memory[node] - memory) / prices.memory_per_gpu)
    idle = prices.idle * max(0.0, gpus - served)
    value: float = prices.model[free.model[node]] * (slices - idle)
    return value
