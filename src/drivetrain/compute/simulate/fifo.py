"""First come, first served, with nothing else: what a scheduler is held against."""

from __future__ import annotations

from drivetrain.compute.policy.place import place_gang
from drivetrain.compute.policy.possible import Possible
from drivetrain.compute.policy.state import State
from drivetrain.compute.policy.values import Decision, Refuse, Snapshot, Start, Wait


def fifo(snapshot: Snapshot, now_s: float) -> list[Decision]:
    """Start jobs in the order in which they came, until one does not fit."""
    line = sorted(snapshot.waiting, key=lambda job: (job.submitted_s, job.job))
    possible = Possible(snapshot.nodes, [pool.name for pool in snapshot.pools])
    state = State(snapshot, line, now_s)
    found: list[Decision] = []
    is_blocked = False
    for position, job in enumerate(line, start=1):
        pools = possible.pools(job)
        places = [] if is_blocked else [(pool, place_gang(state.fleets[pool], job.request)) for pool in pools]
        place = next(((pool, shares) for pool, shares in places if shares), None)
        if not pools:
            why, nearest = possible.refusal(job)
            found.append(Refuse(job.job, f"{why}; nearest that could be: {nearest or 'none'}", nearest))
        elif place is None:
            is_blocked = True
            found.append(Wait(job.job, "others came before it", position))
        else:
            state.start(job, *place)
            found.append(Start(job.job, place[1], "it is the first"))
    return found
