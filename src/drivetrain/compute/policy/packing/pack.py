"""Arrivals and departures -> where each goes: the pure function around the kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drivetrain.compute.policy.packing.rules import Rule
from drivetrain.compute.policy.packing.words import Machine, Placement, Shape

if TYPE_CHECKING:
    from drivetrain.compute.policy.packing.kernels.costs import Knowledge

NOTHING = -1


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """What happens, in order.

    Attributes:
      arrivals: at each event the shape that arrives, by its index, or -1; int64 [E].
      departures: at each event the earlier event whose arrival leaves, or -1; int64 [E]. What was refused leaves
        without effect.
      draws: uniform in [0, 1), for a rule that draws; float64 [E, 2].
    """

    arrivals: Any
    departures: Any
    draws: Any

    def __len__(self) -> int:
        return len(self.arrivals)


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """Where each arrival went. Attributes: nodes: index or -1, int64 [E]; devices: as bits, int64 [E]."""

    nodes: Any
    devices: Any

    def placement(self, event: int) -> Placement | None:
        """Of an arrival; None where no node could take it."""
        if self.nodes[event] == NOTHING:
            return None
        bits = int(self.devices[event])
        return Placement(int(self.nodes[event]), tuple(at for at in range(bits.bit_length()) if bits >> at & 1))


def models_of(machines: Sequence[Machine]) -> tuple[str, ...]:
    """Kinds of accelerator, in the order in which rules and kernels number them."""
    return tuple(sorted({machine.model for machine in machines}))


def pack(machines: Sequence[Machine], shapes: Sequence[Shape], events: Events, rule: Rule, known: Knowledge) -> Packed:
    """Give each arrival a place at once, where the rule's cost is lowest; it is refused only where no node can take it.

    A pure function: equal values give equal places.

    Args:
      machines: empty at first, in the order in which ties are broken.
      known: what the rule has learned, with `models_of(machines)`.
    """
    from drivetrain.compute.policy.packing.arrays import free_arrays, shapes_arrays
    from drivetrain.compute.policy.packing.kernels.run import run

    models = models_of(machines)
    free = free_arrays(machines, models)
    nodes, devices = run(
        rule.code, known, shapes_arrays(shapes, models), free, events.arrivals, events.departures, events.draws
    )
    return Packed(nodes, devices)
