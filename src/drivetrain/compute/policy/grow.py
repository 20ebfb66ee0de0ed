"""What nobody who waits can have now goes to elastic jobs: to those that just start, and to those that run."""

from __future__ import annotations

from msgspec.structs import replace

from drivetrain.compute.policy.place import place_gang
from drivetrain.compute.policy.resize import choose_size, gain_per_node, reason
from drivetrain.compute.policy.round import Round
from drivetrain.compute.policy.state import State
from drivetrain.compute.policy.values import Resize, Running, Share, Start

MOST_PER_PLAN = 100


def grow(state: State, turn: Round, starts: dict[str, Start]) -> list[Resize]:
    """Give elastic jobs more, those first to which a node brings most. `starts` of this plan become larger in place."""
    found: list[Resize] = []
    elastic = [job for job in state.running.values() if job.request.max_nodes > len(job.shares) and not job.leaving]
    elastic.sort(key=lambda job: (-gain_per_node(job, len(job.shares) + 1), job.job))
    for job in elastic[:MOST_PER_PLAN]:
        pool = state.pool_of(job)
        if not pool or job.next_shares is not None or job.request.topology == "node":
            continue
        more = _more(state, turn, job, pool, fresh=job.job in starts)
        if not more:
            continue
        shares = (*job.shares, *more)
        if job.job in starts:
            starts[job.job] = replace(starts[job.job], shares=shares)
            state.enlarge(job.job, shares)
        else:
            found.append(Resize(job.job, shares, reason(job, len(shares), "nobody who waits can use the rest now")))
            state.resize(job.job, shares)
    return found


def _more(state: State, turn: Round, job: Running, pool: str, *, fresh: bool) -> tuple[Share, ...]:
    """The largest number of nodes that helps the job, is free and is within its team's quota."""
    num = len(job.shares)
    size = job.request.max_nodes if fresh else choose_size(job, job.request.max_nodes, state.now_s)
    while size > num:
        if turn.may_grow(job, pool, size - num):
            more = place_gang(state.fleets[pool], job.request, num=size - num, beside=job.shares, may_await=False)
            if more is not None:
                return more
        size = size - 1 if fresh else choose_size(job, size - 1, state.now_s)
    return ()
