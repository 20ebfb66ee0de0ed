"""Arrivals and departures -> where each goes: the pure function around the kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drivetrain.compute.policy.packing.rules import Rule
from drivetrain.compute.policy.packing.words import Machine, Placement, Shape, models_of

if TYPE_CHECKING:
    from drivetrain.compute.policy.packing.kernels.costs import Knowledge

NOTHING = -1
_EVENTS_A_CALL = 4096
"""Machine code cannot be interrupted; between two calls there is time for Ctrl-C and for progress to be told."""


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
    """Where each arrival went.

    Attributes:
      nodes: index or -1, int64 [E].
      devices: as bits, int64 [E].
      free_milli: of each device at the end; int64 [N, G].
      fragment_milli: how much of that, expected, a typical shape cannot use; 0 where a rule knows none.
    """

    nodes: Any
    devices: Any
    free_milli: Any
    fragment_milli: float

    def placement(self, event: int) -> Placement | None:
        """Of an arrival; None where no node could take it."""
        if self.nodes[event] == NOTHING:
            return None
        bits = int(self.devices[event])
        return Placement(int(self.nodes[event]), tuple(at for at in range(bits.bit_length()) if bits >> at & 1))


def pack(
    machines: Sequence[Machine],
    shapes: Sequence[Shape],
    events: Events,
    rule: Rule,
    known: Knowledge,
    advance: Callable[[int], object] = lambda _: None,
) -> Packed:
    """Give each arrival a place at once, where the rule's cost is lowest; it is refused only where no node can take it.

    A pure function: equal values give equal places.

    Args:
      machines: empty at first, in the order in which ties are broken.
      known: what the rule has learned, with `models_of(machines)`.
      advance: told how many events are done.
    """
    from drivetrain.compute.policy.packing.arrays import (
        empty_cache,
        empty_summary,
        free_arrays,
        none_placed,
        shapes_arrays,
    )
    from drivetrain.compute.policy.packing.kernels.fragments import fragments
    from drivetrain.compute.policy.packing.kernels.run import run, stand

    models = models_of(machines)
    free, asked = free_arrays(machines, models), shapes_arrays(shapes, models)
    cache, summary = empty_cache(len(shapes), len(machines)), empty_summary(*free.gpu.shape)
    stand(rule.code, known, free, cache, summary)
    placed = none_placed(len(events))
    what = (events.arrivals, events.departures, events.draws, placed)
    for first in range(0, max(len(events), 1), _EVENTS_A_CALL):
        last = min(first + _EVENTS_A_CALL, len(events))
        run(rule.code, known, asked, free, cache, summary, *what, first, last)
        advance(last)
    return Packed(placed.nodes, placed.masks, free.gpu, fragments(known.typical, known.frequency, free))
