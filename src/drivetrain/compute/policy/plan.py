"""`plan`: what to do now. It joins the questions, each of which has a file.

It passes over those that wait until a pass changes nothing, so that planning again, once all is carried out, decides
nothing else at the same time.
"""

from __future__ import annotations

from dataclasses import replace

from drivetrain.compute.policy import reasons
from drivetrain.compute.policy.fairness import in_line
from drivetrain.compute.policy.possible import Possible
from drivetrain.compute.policy.quota import Book
from drivetrain.compute.policy.round import Round
from drivetrain.compute.policy.state import State
from drivetrain.compute.policy.values import Decision, Refuse, Snapshot, Wait, Waiting

MOST_ROUNDS = 20


def plan(snapshot: Snapshot, now_s: float) -> list[Decision]:
    """What to do with jobs, nodes and teams now, each with its reason.

    Every waiting job gets one of `Start`, `Refuse` and `Wait`. Equal snapshots give equal decisions, in whatever order
    their parts are.
    """
    possible = Possible(snapshot.nodes, [pool.name for pool in snapshot.pools], Book(snapshot.quotas))
    refused = _refused(snapshot, possible)
    gone = {decision.job for decision in refused}
    rest = replace(snapshot, waiting=tuple(job for job in snapshot.waiting if job.job not in gone))
    waits, line = _first_look(in_line(rest), possible, now_s)
    state = State(snapshot, line, now_s)
    decided: list[Decision] = [*refused]
    for _ in range(MOST_ROUNDS):
        state.release_holds()
        turn = Round(state)
        for position, job in enumerate(list(state.waiting.values()), start=1):
            turn.consider(job, position, possible.pools(job))
        decided += [*turn.starts, *turn.preempts]
        if not turn.starts and not turn.preempts:
            break
    return [*decided, *turn.waits, *waits]


def _refused(snapshot: Snapshot, possible: Possible) -> list[Refuse]:
    """What no pool can ever give."""
    found = []
    for job in sorted(snapshot.waiting, key=lambda job: job.job):
        if not possible.pools(job) and not possible.is_empty(job):
            why, nearest = possible.refusal(job)
            found.append(Refuse(job.job, f"{why}; nearest that could be: {nearest or 'none'}", nearest))
    return found


def _first_look(line: list[Waiting], possible: Possible, now_s: float) -> tuple[list[Wait], list[Waiting]]:
    """Those that cannot start yet, and those that could."""
    waits, rest = [], []
    for position, job in enumerate(line, start=1):
        if not possible.pools(job):
            waits.append(Wait(job.job, "no node is known yet where it asks for", position))
        elif job.eligible_s > now_s:
            waits.append(Wait(job.job, f"tried again {reasons.in_time(job.eligible_s - now_s)}", position))
        else:
            rest.append(job)
    return waits, rest
