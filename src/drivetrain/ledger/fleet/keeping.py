"""A sweep as it is kept, so that it goes on another day as if it had never stopped; and what it need not keep (pure).

    take events -> close: what is over for good leaves it -> kept -> restored -> take more events

Closing changes no account: what has left is `Page`s of curves, queues and settled attempts, and what is left goes on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from drivetrain.ledger.fleet.demand import Demand, DemandState, shape_of
from drivetrain.ledger.fleet.events import NodeEvent, Told, Wait
from drivetrain.ledger.fleet.node import Claim, ClaimState, Node
from drivetrain.ledger.fleet.pool import Pool, Stretch
from drivetrain.ledger.fleet.sweep import Attempt, Queued, Sweep


class AttemptState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An attempt as it is kept."""

    job: str
    number: int
    user: str
    team: str
    end_ns: int | None
    claims: tuple[ClaimState, ...]
    told: Told | None = None


class PoolState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A pool as it is kept."""

    price: int
    stretch: Stretch
    demand: DemandState


class NodeState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A node as it is kept. Attributes: claims: (job, attempt, which of that attempt's), oldest first."""

    event: NodeEvent
    claims: tuple[tuple[str, int, int], ...]


class SweepState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A sweep as it is kept."""

    now_ns: int
    pools: dict[str, PoolState]
    nodes: dict[str, NodeState]
    attempts: tuple[AttemptState, ...]
    waits: tuple[Wait, ...]


class Page(msgspec.Struct, frozen=True, gc=False):
    """What left a sweep at one time. Attributes: curves: of each pool, up to `end_ns`."""

    end_ns: int
    curves: dict[str, Stretch]
    queue: tuple[Queued, ...]
    attempts: tuple[AttemptState, ...]


def close(sweep: Sweep, over: Iterable[Attempt]) -> Page:
    """Take out of a sweep what is over for good. Args: over: attempts that have ended, each with all that is told."""
    gone = []
    for attempt in over:
        gone.append(attempt_state(attempt))
        del sweep.attempts[attempt.job, attempt.number]
        if sweep.latest.get(attempt.job) is attempt:
            del sweep.latest[attempt.job]
    curves = {name: pool.cut(sweep.now_ns) for name, pool in sweep.pools.items()}
    queue, sweep.queue = tuple(sweep.queue), []
    return Page(sweep.now_ns, curves, queue, tuple(gone))


def kept(sweep: Sweep) -> SweepState:
    """As it is now, without what it has closed; nothing that was told of attempts is kept."""
    attempts = [attempt for attempt in sweep.attempts.values() if attempt.claims]
    places = {
        id(claim): (attempt.job, attempt.number, index)
        for attempt in attempts
        for index, claim in enumerate(attempt.claims)
    }
    return SweepState(
        sweep.now_ns,
        {name: PoolState(pool.price, pool.stretch, pool.demand.state) for name, pool in sweep.pools.items()},
        {
            name: NodeState(node.event, tuple(places[id(claim)] for claim in node.claims))
            for name, node in sweep.nodes.items()
        },
        tuple(attempt_state(attempt) for attempt in attempts),
        tuple(wait for wait, _, _ in sweep.waits.values()),
    )


def restored(state: SweepState) -> Sweep:
    """A sweep that goes on from there."""
    sweep = Sweep()
    sweep.now_ns = state.now_ns
    for known in state.attempts:
        attempt = attempt_of(known)
        sweep.attempts[attempt.job, attempt.number] = attempt
        before = sweep.latest.get(attempt.job)
        if before is None or before.number < attempt.number:
            sweep.latest[attempt.job] = attempt
    by_pool: dict[str, list[tuple[str, Node]]] = defaultdict(list)
    for name, place in state.nodes.items():
        node = sweep.nodes[name] = Node(place.event)
        node.claims = [sweep.attempts[job, number].claims[index] for job, number, index in place.claims]
        if place.event.state != "removed":
            node.divide(state.now_ns, state.pools[place.event.pool].price)
            by_pool[place.event.pool].append((name, node))
    for wait in state.waits:
        pools = [name for name in state.pools if wait.pool in ("", name)]
        sweep.waits[wait.job] = wait, shape_of(wait), pools
    for name, known_pool in state.pools.items():
        pool = sweep.pools[name] = Pool()
        pool.price = known_pool.price
        waiting = [shape for _, shape, pools in sweep.waits.values() if name in pools]
        pool.demand = Demand.restored(known_pool.demand, waiting)
        pool.go_on(known_pool.stretch, by_pool[name])
    sweep.moved.update(state.pools)
    return sweep


def attempt_state(attempt: Attempt) -> AttemptState:
    """An attempt as it is kept."""
    claims = tuple(claim.state for claim in attempt.claims)
    return AttemptState(attempt.job, attempt.number, attempt.user, attempt.team, attempt.end_ns, claims, attempt.told)


def attempt_of(state: AttemptState) -> Attempt:
    """As it was."""
    claims = [Claim.restored(claim) for claim in state.claims]
    return Attempt(state.job, state.number, state.user, state.team, claims, state.told, state.end_ns)
