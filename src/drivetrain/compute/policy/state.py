"""A plan while it is made: what the fleet, the quotas and the jobs will be once it is carried out."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from drivetrain.compute.policy.ends import expected_end_s
from drivetrain.compute.policy.fleet import Fleet
from drivetrain.compute.policy.quota import Book
from drivetrain.compute.policy.values import MILLI, Node, Pool, Request, Running, Share, Snapshot, Waiting

MOST_SEARCHES = 100


def amount_milli(request: Request, num: int | None = None) -> int:
    """What so many members of a gang use of a quota; the fewest by default."""
    return request.gpu_milli * (num or request.min_nodes)


def capacity_milli(nodes: Iterable[Node]) -> dict[str, int]:
    """What the devices of each pool's nodes come to, but of those that are down."""
    found: dict[str, int] = {}
    for node in nodes:
        found[node.pool] = found.get(node.pool, 0) + (MILLI * node.num_gpus if node.state != "down" else 0)
    return found


class InLine(Struct, frozen=True, gc=False):
    """A waiting job, with what is asked of it again and again.

    Attributes:
      shape: equal for equal requests.
      need_milli: what it uses of a quota.
      end_s: by when it has ended if it starts now, nine times of ten; infinite where nothing is known.
      pools: where it may run, in the order in which it should have them.
    """

    job: Waiting
    shape: int
    need_milli: int
    end_s: float
    pools: tuple[str, ...]


class State:
    """What is, and what was decided on top.

    Attributes:
      fleets: pool -> its nodes, in the order of names.
      pools: pool -> what it is like.
      book: who uses how much of which quota.
      running: job -> what it has, started and told to leave by this plan among them.
      waiting: jobs that wait still, in their order.
      num_searches: for how many jobs it may still look whom to ask to leave; the rest has to wait for the next plan.
    """

    def __init__(self, snapshot: Snapshot, waiting: Iterable[Waiting], now_s: float) -> None:
        self.now_s = now_s
        self.num_searches = MOST_SEARCHES
        by_pool: dict[str, list[Node]] = {pool.name: [] for pool in snapshot.pools}
        for node in snapshot.nodes:
            by_pool.setdefault(node.pool, []).append(node)
        known = {pool.name: pool for pool in snapshot.pools}
        self.pools = {name: known.get(name, Pool(name)) for name in sorted(by_pool)}
        self.fleets = {name: Fleet(by_pool[name], snapshot.slice_worth) for name in self.pools}
        self._pool_of_node = {node.name: node.pool for node in snapshot.nodes}
        self._pool_of_job: dict[str, str] = {}
        self.book = Book(snapshot.quotas, capacity_milli(snapshot.nodes))
        self.running = {job.job: job for job in sorted(snapshot.running, key=lambda job: job.job)}
        self.waiting = {job.job: job for job in waiting}
        self._by_end: list[tuple[float, str, Running]] = []
        for job in self.running.values():
            self.book.use(job.team, self.pool_of(job), _amount(job))

    def pool_of(self, job: Running) -> str:
        """Where it runs; empty where its nodes are gone."""
        pool = self._pool_of_job.get(job.job)
        if pool is None:
            known = [self._pool_of_node[share.node] for share in job.shares if share.node in self._pool_of_node]
            pool = self._pool_of_job[job.job] = known[0] if known else ""
        return pool

    def by_end(self) -> list[tuple[float, str, Running]]:
        """When running jobs that stay should end, and which they are; the soonest first."""
        if not self._by_end:
            stay = [job for job in self.running.values() if not job.leaving]
            ends = [(expected_end_s(job, self.now_s), job.job, job) for job in stay]
            self._by_end = sorted(ends, key=lambda entry: entry[:2])
        return self._by_end

    def _put(self, job: Running) -> None:
        self.running[job.job] = job
        self._by_end = []

    def start(self, job: Waiting, pool: str, shares: tuple[Share, ...]) -> None:
        """The job has these places now."""
        self.fleets[pool].take(shares)
        self._put(started(job, shares, self.now_s))
        self.book.use(job.team, pool, amount_milli(job.request, len(shares)))
        del self.waiting[job.job]

    def release_holds(self) -> None:
        """Nothing is kept for anybody any longer."""
        for fleet in self.fleets.values():
            fleet.release_holds()

    def leave(self, job: str) -> None:
        """The job saves and leaves."""
        self._put(replace(self.running[job], leaving=True))

    def resize(self, job: str, shares: tuple[Share, ...]) -> None:
        """The job has these from its next step on; those on top of what it has are taken at once."""
        before = self.running[job]
        pool = self.pool_of(before)
        more = tuple(share for share in shares if share not in before.shares)
        self.fleets[pool].take(more)
        self.book.use(before.team, pool, before.request.gpu_milli * len(more))
        self._put(replace(before, next_shares=shares))

    def enlarge(self, job: str, shares: tuple[Share, ...]) -> None:
        """A job that this plan starts has these from the start on, what it was given among them."""
        before = self.running[job]
        more = shares[len(before.shares) :]
        pool = self.pool_of(before)
        self.fleets[pool].take(more)
        self.book.use(before.team, pool, before.request.gpu_milli * len(more))
        self._put(replace(before, shares=shares))

    def gone(self, job: Running, book: Book) -> tuple[Share, ...]:
        """What will be free once it has done what it was told, which the book is told too."""
        shares: tuple[Share, ...] = ()
        if job.leaving:
            shares = held(job)
        elif job.next_shares is not None:
            shares = tuple(share for share in job.shares if share not in job.next_shares)
        if shares:
            book.use(job.team, self.pool_of(job), -job.request.gpu_milli * len(shares))
        return shares


def held(job: Running) -> tuple[Share, ...]:
    """All that is taken by it: what it has, and what it was told to have."""
    if job.next_shares is None:
        return job.shares
    return (*job.shares, *(share for share in job.next_shares if share not in job.shares))


def staying(job: Running) -> tuple[Share, ...]:
    """What it will have once it has done what it was told."""
    if job.leaving:
        return ()
    return job.shares if job.next_shares is None else job.next_shares


def started(job: Waiting, shares: tuple[Share, ...], now_s: float) -> Running:
    """A waiting job that got places."""
    return Running(
        job.job,
        "",
        job.team,
        job.user,
        job.request,
        shares,
        priority=job.priority,
        preemptible=job.preemptible,
        submitted_s=job.submitted_s,
        started_s=now_s,
        saved_s=now_s,
        restart_s=job.restart_s,
        min_runtime_s=job.min_runtime_s,
        grace_s=job.grace_s,
        idle_after_s=job.idle_after_s,
        speed_by_nodes=job.speed_by_nodes,
        run_time=job.run_time,
        max_runtime_s=job.max_runtime_s,
        deadline_s=job.deadline_s,
        progress_s=now_s,
        name=job.name,
    )


def _amount(job: Running) -> int:
    return job.request.gpu_milli * len(held(job))
