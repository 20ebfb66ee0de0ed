"""All events in order of time -> what each attempt held, what nobody held, and who waited. Nothing is read.

What lines say twice counts once. An allocation ends when it is freed, when the job's next attempt begins, or not yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from drivetrain.ledger.fleet.demand import Shape, shape_of
from drivetrain.ledger.fleet.events import Alloc, FleetEvent, Free, Leave, NodeEvent, PriceEvent, Told, Wait
from drivetrain.ledger.fleet.node import Claim, Node
from drivetrain.ledger.fleet.pool import Curve, Pool
from drivetrain.ledger.fleet.settled import Settled


@dataclass(slots=True, eq=False)
class Attempt:
    """One try of a job: what it was given, and what was told of it.

    Attributes:
      claims: in the order in which they were given.
      told: the last that was told of it; None where nothing was.
      end_ns: when it gave back the last; None while it holds something.
    """

    job: str
    number: int
    user: str
    team: str
    claims: list[Claim] = field(default_factory=list)
    told: Told | None = None
    end_ns: int | None = None

    @property
    def start_ns(self) -> int:
        """When it was given the first."""
        return self.claims[0].alloc.t


class Queued(msgspec.Struct, frozen=True, order=True, gc=False):
    """A job that waited, or still does. `milli`: of all its pieces; `price`: of the cheapest that it could have."""

    start_ns: int
    end_ns: int
    job: str
    user: str
    team: str
    pool: str
    milli: int
    price: int
    is_waiting: bool


@dataclass(frozen=True, slots=True)
class Fleet:
    """A fleet's history in order: what every question about it is answered from.

    Attributes:
      pools: what nobody held, by pool.
      attempts: in order of their first allocation.
      queue: in order of when they left; those that still wait last.
      waits: of the jobs that still wait.
      nodes: as they are at `read_at_ns`, those removed left out.
      read_at_ns: up to when it is told.
      since_ns: where its past was summed up, the beginning of the one window that it can be asked for.
      names: by which what was summed up is told apart.
      settled: attempts and waits of that window that are summed up; they are not among `attempts` and `queue`.
    """

    pools: dict[str, Curve]
    attempts: tuple[Attempt, ...]
    queue: tuple[Queued, ...]
    waits: tuple[Wait, ...]
    nodes: dict[str, Node]
    read_at_ns: int
    since_ns: int | None = None
    names: frozenset[str] = frozenset()
    settled: tuple[Settled, ...] = ()


def fleet_of(events: Iterable[FleetEvent], read_at_ns: int) -> Fleet:
    """Put a fleet's history in order. Pure; events may come in any order, and those of one instant stay in theirs.

    Args:
      events: doubled ones count once; those after `read_at_ns` are left out.
      read_at_ns: when the question is asked, UTC on the controller's clock.
    """
    known = [event for event in events if event.t <= read_at_ns]
    told = [event for event in known if isinstance(event, Told)]  # the last counts: doubled ones do no harm
    sweep = Sweep()
    for event in sorted([*dict.fromkeys(event for event in known if not isinstance(event, Told)), *told], key=_time):
        sweep.take(event)
    return sweep.end(read_at_ns)


def _time(event: FleetEvent) -> int:
    return event.t


class Sweep:
    """The state of the fleet at one time, moved on event by event; times must not fall."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.pools: dict[str, Pool] = {}
        self.nodes: dict[str, Node] = {}
        self.attempts: dict[tuple[str, int], Attempt] = {}
        self.told: dict[tuple[str, int], Told] = {}
        self.latest: dict[str, Attempt] = {}
        self.waits: dict[str, tuple[Wait, Shape, list[str]]] = {}
        self.queue: list[Queued] = []
        self.moved: set[str] = set()

    def take(self, event: FleetEvent) -> None:
        """One event, not before those that came so far."""
        if event.t > self.now_ns:
            self._mark()
            self.now_ns = event.t
        if isinstance(event, Alloc):
            self._alloc(event)
        elif isinstance(event, Free):
            self._free(event)
        elif isinstance(event, Told):
            self.told[event.job, event.attempt] = event
        elif isinstance(event, Wait):
            self._wait(event)
        elif isinstance(event, Leave):
            self._leave(event.job)
        elif isinstance(event, NodeEvent):
            self._node(event)
        else:
            self._price(event)

    def end(self, read_at_ns: int) -> Fleet:
        """The fleet as it is then; after that no event can be taken."""
        self._mark()
        self.now_ns = read_at_ns
        for attempt in self.attempts.values():
            for claim in attempt.claims:
                if claim.is_open:
                    claim.until(read_at_ns)
        waits = tuple(wait for wait, _, _ in self.waits.values())
        for wait in waits:
            self._leave(wait.job, is_waiting=True)
        for key, told in self.told.items():
            if key in self.attempts:
                self.attempts[key].told = told
        return Fleet(
            {name: Curve(pool.stretch, read_at_ns) for name, pool in sorted(self.pools.items())},
            tuple(attempt for attempt in self.attempts.values() if attempt.claims),
            tuple(self.queue),
            waits,
            {name: node for name, node in sorted(self.nodes.items()) if node.event.state != "removed"},
            read_at_ns,
        )

    def _mark(self) -> None:
        for name in self.moved:
            self.pools[name].mark(self.now_ns)
        self.moved.clear()

    def _pool(self, name: str) -> Pool:
        pool = self.pools.get(name)
        if pool is None:
            pool = self.pools[name] = Pool()
            for wait, shape, pools in self.waits.values():
                if wait.pool in ("", name):
                    pools.append(name)
                    pool.demand.comes(shape)
        return pool

    def _node(self, event: NodeEvent) -> None:
        node = self.nodes.get(event.node)
        if node is None:
            node = self.nodes[event.node] = Node(event)
        elif node.event.pool != event.pool and node.event.pool in self.pools:
            self.pools[node.event.pool].put(event.node, None)
            self.moved.add(node.event.pool)
        node.event = event
        self._divide(event.node, node)

    def _divide(self, name: str, node: Node) -> None:
        """Something of a node changed."""
        pool = self._pool(node.event.pool)
        node.divide(self.now_ns, pool.price)
        pool.put(name, node)
        self.moved.add(node.event.pool)

    def _price(self, event: PriceEvent) -> None:
        pool = self._pool(event.pool)
        pool.price = event.price
        self.moved.add(event.pool)
        for node in self.nodes.values():
            if node.event.pool == event.pool:
                node.divide(self.now_ns, pool.price)

    def _alloc(self, event: Alloc) -> None:
        attempt = self.attempts.get((event.job, event.attempt))
        if attempt is None:
            attempt = Attempt(event.job, event.attempt, event.user, event.team)
            self.attempts[event.job, event.attempt] = attempt
        if event.job in self.waits:
            self._leave(event.job)
        before = self.latest.get(event.job)
        if before is not None and before.number != attempt.number:
            if before.number > attempt.number:
                return  # told late of an attempt that the next one has ended
            self._release(before, "")
        self.latest[event.job] = attempt
        node = self.nodes.get(event.node)
        if node is None:
            node = self.nodes[event.node] = Node(NodeEvent(self.now_ns, event.node, "", "removed"))
        key = event.job, event.attempt
        held = next((claim for claim in node.claims if (claim.alloc.job, claim.alloc.attempt) == key), None)
        if held is not None:
            if held.alloc.milli == event.milli and held.alloc.ranks == event.ranks:
                return
            held.close(self.now_ns)
            node.claims.remove(held)
        claim = Claim(event)
        attempt.claims.append(claim)
        attempt.end_ns = None
        node.claims.append(claim)
        if node.event.state != "removed":
            self._divide(event.node, node)

    def _free(self, event: Free) -> None:
        attempt = self.attempts.get((event.job, event.attempt))
        if attempt is not None:
            self._release(attempt, event.node)

    def _release(self, attempt: Attempt, name: str) -> None:
        """Close an attempt's claims on a node, or on all."""
        closed = [claim for claim in attempt.claims if claim.is_open and name in ("", claim.alloc.node)]
        for claim in closed:
            claim.close(self.now_ns)
            node = self.nodes[claim.alloc.node]
            node.claims.remove(claim)
            if node.event.state != "removed":
                self._divide(claim.alloc.node, node)
        if closed and not any(claim.is_open for claim in attempt.claims):
            attempt.end_ns = self.now_ns

    def _wait(self, event: Wait) -> None:
        if not event.milli:
            return
        shape, known = shape_of(event), self.waits.get(event.job)
        if known is not None:
            if (known[0].pool, known[1]) == (event.pool, shape):
                return
            self._leave(event.job)
        pools = [name for name in self.pools if event.pool in ("", name)]
        for name in pools:
            self.pools[name].demand.comes(shape)
        self.moved.update(pools)
        self.waits[event.job] = event, shape, pools

    def _leave(self, job: str, *, is_waiting: bool = False) -> None:
        found = self.waits.pop(job, None)
        if found is None:
            return
        wait, shape, pools = found
        price = min((self.pools[name].price for name in pools if self.pools[name].capacity), default=0)
        for name in pools:
            self.pools[name].demand.goes(shape)
        self.moved.update(pools)
        milli = shape.milli * wait.nodes
        self.queue.append(Queued(wait.t, self.now_ns, job, wait.user, wait.team, wait.pool, milli, price, is_waiting))
