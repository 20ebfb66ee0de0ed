"""A fleet at this moment: its pools and nodes, who has what, who waits, and what it has yielded lately."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drivetrain.core.units import NS_PER_S
from drivetrain.ledger.fleet.account import FleetAccount
from drivetrain.ledger.fleet.events import MILLI
from drivetrain.ledger.fleet.node import Node
from drivetrain.ledger.fleet.pool import Level
from drivetrain.ledger.fleet.statement import statements
from drivetrain.ledger.fleet.sweep import Attempt, Fleet, Queued

WINDOW_NS = 3600 * NS_PER_S


@dataclass(frozen=True, slots=True)
class PoolNow:
    """A pool.

    Attributes:
      price: of a device and an hour.
      level: milli, now.
      nodes: how many, by state.
      num_waiting: jobs that ask for it, or for any pool.
      waiting: milli that they ask for.
      account: of the window.
    """

    name: str
    price: int
    level: Level
    nodes: Mapping[str, int]
    num_waiting: int
    waiting: int
    account: FleetAccount


@dataclass(frozen=True, slots=True)
class NodeNow:
    """A node.

    Attributes:
      held: milli.
      jobs: who has them, the most first.
      others: devices that somebody else has, or that are not there while the node is asleep.
    """

    name: str
    pool: str
    state: str
    devices: int
    held: int
    jobs: tuple[str, ...]
    others: int = 0
    is_asleep: bool = False


@dataclass(frozen=True, slots=True)
class JobNow:
    """A job that holds devices. Attributes: milli: now; since_ns: of this attempt; account: of the window."""

    job: str
    attempt: int
    team: str
    user: str
    pools: tuple[str, ...]
    milli: int
    num_nodes: int
    since_ns: int
    account: FleetAccount


@dataclass(frozen=True, slots=True)
class WaitingNow:
    """A job that waits. Attributes: pool: empty for any."""

    job: str
    team: str
    user: str
    pool: str
    milli: int
    since_ns: int


@dataclass(frozen=True, slots=True)
class FleetNow:
    """All of it. Attributes: account: of the window; jobs: the largest first; waiting: the longest first."""

    at_ns: int
    account: FleetAccount
    pools: tuple[PoolNow, ...]
    nodes: tuple[NodeNow, ...]
    jobs: tuple[JobNow, ...]
    waiting: tuple[WaitingNow, ...]


def fleet_now(fleet: Fleet, *, window_ns: int = WINDOW_NS) -> FleetNow:
    """A fleet as it was when it was read, and its account of the window before."""
    now_ns, start_ns = fleet.read_at_ns, max(0, fleet.read_at_ns - window_ns)
    running = sorted((attempt for attempt in fleet.attempts if attempt.end_ns is None), key=_largest)
    of_these = {"job": frozenset(attempt.job for attempt in running)}
    by_pool, of_jobs = statements(fleet, start_ns, now_ns, [(("pool",), {}), (("job",), of_these)])
    queue = sorted(queued for queued in fleet.queue if queued.is_waiting)
    nothing = FleetAccount(start_ns, now_ns)
    return FleetNow(
        now_ns,
        by_pool.whole,
        tuple(_pool(fleet, name, queue, by_pool.rows.get((name,), nothing)) for name in fleet.pools),
        tuple(_node(name, node) for name, node in fleet.nodes.items()),
        tuple(_job(attempt, of_jobs.rows.get((attempt.job,), nothing)) for attempt in running),
        tuple(WaitingNow(q.job, q.team, q.user, q.pool, q.milli, q.start_ns) for q in queue),
    )


def _pool(fleet: Fleet, name: str, queue: Sequence[Queued], account: FleetAccount) -> PoolNow:
    curve = fleet.pools[name]
    states = Counter(node.event.state for node in fleet.nodes.values() if node.event.pool == name)
    asking = [queued for queued in queue if queued.pool in ("", name)]
    return PoolNow(
        name,
        curve.prices[-1] if curve.prices else 0,
        curve.level_at(fleet.read_at_ns),
        dict(sorted(states.items())),
        len(asking),
        sum(queued.milli for queued in asking),
        account,
    )


def _node(name: str, node: Node) -> NodeNow:
    held: Counter[str] = Counter()
    for claim in node.claims:
        held[claim.alloc.job] += claim.held
    return NodeNow(
        name,
        node.event.pool,
        node.event.state,
        node.event.devices,
        held.total(),
        tuple(job for job, milli in held.most_common() if milli),
        node.others // MILLI,
        node.event.is_asleep,
    )


def _job(attempt: Attempt, account: FleetAccount) -> JobNow:
    claims = [claim for claim in attempt.claims if claim.is_open]
    pools = sorted({holding.pool for claim in claims for holding in claim.holdings[-1:]})
    return JobNow(
        attempt.job,
        attempt.number,
        attempt.team,
        attempt.user,
        tuple(pools),
        sum(claim.held for claim in claims),
        len(claims),
        attempt.start_ns,
        account,
    )


def _largest(attempt: Attempt) -> tuple[int, int, str]:
    return -sum(claim.held for claim in attempt.claims), attempt.start_ns, attempt.job
