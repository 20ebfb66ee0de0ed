"""What a new file of history begins with, so that old ones can be put away."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from drivetrain.ledger.fleet.events import FleetEvent, PriceEvent
from drivetrain.ledger.fleet.sweep import Fleet


def carried(fleet: Fleet) -> Iterator[FleetEvent]:
    """Events that say how the fleet stands at the moment it was read: what follows them can be read without the past.

    Nodes and prices are told as of now; allocations, waiting jobs and accounts with the time that they have, so that
    they stay what they are, and those who read the old file too count nothing twice. Windows that start from now on are
    the same with and without the past, but for this: which requests are typical is learnt anew, and an attempt that has
    given back what it was given first is taken to begin with what it has left.
    """
    now_ns = fleet.read_at_ns
    for name, curve in fleet.pools.items():
        if curve.prices and curve.prices[-1]:
            yield PriceEvent(now_ns, name, curve.prices[-1])
    for node in fleet.nodes.values():
        yield msgspec.structs.replace(node.event, t=now_ns)
    running = [attempt for attempt in fleet.attempts if attempt.end_ns is None]
    claims = [claim for attempt in running for claim in attempt.claims if claim.is_open]
    yield from (claim.alloc for claim in sorted(claims, key=lambda claim: claim.alloc.t))
    yield from (attempt.told for attempt in running if attempt.told is not None)
    yield from fleet.waits
