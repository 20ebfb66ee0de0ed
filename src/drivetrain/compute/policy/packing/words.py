"""What packing is asked and what it answers, as plain values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

WHOLE = 1000
"""Milli of a whole device."""

MOST_GPUS = 62
"""Devices of one node; those of a placement are bits of one integer."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a node has when it is empty. `model` is the kind of its accelerators; memory in MiB."""

    name: str
    cpu_milli: int
    memory_mib: int
    num_gpus: int
    model: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a placement asks of one node.

    Attributes:
      num_gpus: devices; each gives `gpu_milli`.
      gpu_milli: 1000 for whole devices, less for a share.
      models: kinds of accelerator that will do; empty for any.
    """

    cpu_milli: int
    memory_mib: int
    num_gpus: int = 0
    gpu_milli: int = 0
    models: frozenset[str] = frozenset()

    @property
    def total_milli(self) -> int:
        """Of all its devices."""
        return self.num_gpus * self.gpu_milli

    @property
    def kind(self) -> str:
        """Its class, by which refusals are compared: `cpu`, a `share` of a device, or so many whole ones."""
        if self.num_gpus == 0:
            return "cpu"
        return "share" if self.gpu_milli < WHOLE else f"{self.num_gpus} gpu"


@dataclass(frozen=True, slots=True)
class Placement:
    """The node, by its index, and its devices."""

    node: int
    devices: tuple[int, ...]


def models_of(machines: Iterable[Machine]) -> tuple[str, ...]:
    """Kinds of accelerator, in the order in which rules and kernels number them."""
    return tuple(sorted({machine.model for machine in machines}))
