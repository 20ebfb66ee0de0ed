"""`plan`: what to do now. It joins the questions, each of which has a file.

It passes over those that wait until a pass changes nothing, so that planning again, once all is carried out, decides
nothing else at the same time.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from drivetrain.compute.policy import budget, health, reasons, stops
from drivetrain.compute.policy.ends import latest_end_s
from drivetrain.compute.policy.fairness import in_line
from drivetrain.compute.policy.grow import grow
from drivetrain.compute.policy.pools import by_price
from drivetrain.compute.policy.possible import Possible
from drivetrain.compute.policy.preempt import price_s
from drivetrain.compute.policy.quota import Book
from drivetrain.compute.policy.round import Round
from drivetrain.compute.policy.state import InLine, State, amount_milli
from drivetrain.compute.policy.values import Decision, Preempt, Refuse, Request, Snapshot, Start, Stop, Wait, Waiting

MOST_ROUNDS = 20


def plan(snapshot: Snapshot, now_s: float) -> list[Decision]:
    """What to do with jobs, nodes and teams now, each with its reason.

    Every waiting job gets one of `Start`, `Refuse` and `Wait`. Equal snapshots give equal decisions, in whatever order
    their parts are.
    """
    cordons = health.cordons(snapshot, now_s)
    if cordons:
        bad = {decision.node for decision in cordons}
        nodes = tuple(replace(node, state="cordoned") if node.name in bad else node for node in snapshot.nodes)
        snapshot = replace(snapshot, nodes=nodes)
    refused, pools, gone_since = _possible(snapshot)
    if refused:
        gone = {decision.job for decision in refused}
        snapshot = replace(snapshot, waiting=tuple(job for job in snapshot.waiting if job.job not in gone))
    state = State(snapshot, in_line(snapshot), now_s)
    decided = [*cordons, *budget.warnings(snapshot), *refused, *_leave(state, snapshot)]
    return [*decided, *_turns(state, *_looked_at(state, snapshot, pools, gone_since), grows=not snapshot.is_part)]


def _leave(state: State, snapshot: Snapshot) -> list[Decision]:
    """Who ends or leaves whoever waits."""
    found: list[Decision] = [*stops.stops(state.running.values(), state.now_s)]
    ends = {decision.job for decision in found if isinstance(decision, Stop)}
    over = budget.spent(snapshot)
    paid = [
        (job, state.pools[state.pool_of(job)])
        for job in state.running.values()
        if job.team in over and job.job not in ends and state.pool_of(job)
    ]
    found += budget.stops(paid, over, {job.job: price_s(job, state.now_s) for job, _ in paid})
    for decision in found:
        if isinstance(decision, Stop | Preempt):
            state.leave(decision.job)
    return found


def _turns(state: State, line: list[InLine], waits: dict[str, Wait], *, grows: bool) -> list[Decision]:
    """Pass over the line until nothing changes.

    Args:
      waits: of jobs that cannot start yet in any case.
      grows: whether elastic jobs get what is left.
    """
    starts: dict[str, Start] = {}
    others: list[Decision] = []
    for _ in range(MOST_ROUNDS):
        state.release_holds()
        turn = Round(state)
        position = {name: at for at, name in enumerate(state.waiting, start=1)}
        for entry in line:
            turn.consider(entry, position[entry.job.job])
        line = [entry for entry in line if entry.job.job in state.waiting]
        starts |= {start.job: start for start in turn.starts}
        others += [*turn.resizes, *turn.preempts]
        if not state.num_searches:
            break
        if turn.is_still:
            grown = grow(state, turn, starts) if grows else []
            others += grown
            if not grown:
                break
    late = [replace(wait, position=position[name]) for name, wait in waits.items()]
    return [*starts.values(), *others, *sorted([*turn.waits(), *late], key=lambda wait: wait.position)]


def _looked_at(
    state: State, snapshot: Snapshot, possible: Mapping[str, tuple[str, ...]], gone_since: Mapping[str, str]
) -> tuple[list[InLine], dict[str, Wait]]:
    """Jobs that could start now, and why the others cannot yet."""
    over = budget.spent(snapshot)
    unpaid = {name for name, pool in state.pools.items() if not budget.is_paid(pool)}
    shapes: dict[Request, int] = {}
    line, waits = [], {}
    for name, job in state.waiting.items():
        pools, reason = possible[name], ""
        if not pools:
            reason = gone_since.get(name) or reasons.no_node(job.request.pool)
        elif job.eligible_s > state.now_s:
            reason = f"tried again {reasons.in_time(job.eligible_s - state.now_s)}"
        elif job.team in over:
            pools = tuple(pool for pool in pools if pool in unpaid)
            reason = "" if pools else budget.waits(over[job.team], state.now_s)
        if snapshot.quotas and not reason:
            allowed = tuple(pool for pool in pools if _may_ever(state.book, job, pool))
            reason = "" if allowed else reasons.over_quota(state.book, job.team, pools, job.request)
            pools = allowed
        if reason:
            waits[name] = Wait(name, reason, 0)
            continue
        pools = by_price(job, pools, state.pools, state.now_s)
        shape = shapes.setdefault(job.request, len(shapes))
        line.append(InLine(job, shape, amount_milli(job.request), latest_end_s(job, state.now_s), pools))
    return line, waits


def _may_ever(book: Book, job: Waiting, pool: str) -> bool:
    """Whether the team's quota would have room for it, were nobody else there."""
    most = book.most(job.team, pool)
    return most is None or most >= amount_milli(job.request)


def _possible(snapshot: Snapshot) -> tuple[list[Refuse], dict[str, tuple[str, ...]], dict[str, str]]:
    """What no pool can ever give, and for the other jobs the pools that can; none where no node is known yet.

    Quotas refuse nothing here: they change, and a job that waits then has it. Of a job that was accepted once, the
    last says why it waits though no pool can give it: that may be so as long as a server has other pools.
    """
    possible = Possible(snapshot.nodes, [pool.name for pool in snapshot.pools])
    refused: list[Refuse] = []
    pools: dict[str, tuple[str, ...]] = {}
    gone_since: dict[str, str] = {}
    for job in snapshot.waiting:
        pools[job.job] = possible.pools(job)
        if pools[job.job] or possible.is_empty(job):
            continue
        why, nearest = possible.refusal(job)
        why = f"{why}; nearest that could be: {nearest or 'none'}"
        if job.was_accepted:
            gone_since[job.job] = f"{why}; it was accepted when there was, and waits until there is again"
        else:
            refused.append(Refuse(job.job, why, nearest))
    return sorted(refused, key=lambda decision: decision.job), pools, gone_since
