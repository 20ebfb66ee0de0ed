"""What the free part of a node is worth, in millionths of a device: whole numbers, so that equal is equal."""

from __future__ import annotations

from typing import NamedTuple

from drivetrain.compute.compiled import compiled
from drivetrain.compute.policy.packing.kernels.state import WHOLE, Array

DEVICE = 1_000_000
"""Millionths of a device; what a whole one is worth."""

CORES_STEP = 500
"""Milli of cores; free cores have a worth by so many of these."""


class Gangs(NamedTuple):
    """What shapes with several devices of one node ask for.

    Attributes:
      num_gpus: of the largest of them; 0 where there are none.
      cpu, memory: what one of so many devices asks for, the median; milli of cores, MiB; at least 1.
      part: of all devices that are asked for, what shapes with several ask for.
    """

    num_gpus: int
    cpu: int
    memory: int
    part: float


class Prices(NamedTuple):
    """What is worth what.

    Attributes:
      slice: a free slice of a device, by its milli; int64 [WHOLE + 1].
      cpu_per_gpu, memory_per_gpu: what comes with a whole device in the mean; milli of cores, MiB.
      idle: what a device that is left without its cores or memory is worth less.
      cores: of a node's free cores, by `CORES_STEP`, to shapes without devices; int64 [C], the last one for all
        beyond, and all 0 where cores suffice.
      gangs: for whom devices are kept together.
    """

    slice: Array
    cpu_per_gpu: float
    memory_per_gpu: float
    idle: int
    cores: Array
    gangs: Gangs


@compiled
def sides_worth(prices: Prices, cpu: int, memory: int, milli: int) -> int:
    """What free cores and memory add to the worth of a node's slices, which are so many `milli` together, or take."""
    served = min(cpu / prices.cpu_per_gpu, memory / prices.memory_per_gpu)
    cores: int = prices.cores[min(cpu // CORES_STEP, len(prices.cores) - 1)]
    return cores - int(prices.idle * max(0.0, milli / WHOLE - served))
