"""A plan while it is made: what the fleet, the quotas and the jobs will be once it is carried out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from drivetrain.compute.policy.fleet import Fleet
from drivetrain.compute.policy.quota import Book
from drivetrain.compute.policy.values import Node, Pool, Request, Running, Share, Snapshot, Waiting


def amount_milli(request: Request, num: int | None = None) -> int:
    """What so many members of a gang use of a quota; the fewest by default."""
    return request.gpu_milli * (num or request.min_nodes)


class State:
    """What is, and what was decided on top.

    Attributes:
      fleets: pool -> its nodes, in the order of names.
      pools: pool -> what it is like.
      book: who uses how much of which quota.
      running: job -> what it has, started and told to leave by this plan among them.
      waiting: jobs that wait still, in their order.
    """

    def __init__(self, snapshot: Snapshot, waiting: Iterable[Waiting], now_s: float) -> None:
        self.now_s = now_s
        by_pool: dict[str, list[Node]] = {pool.name: [] for pool in snapshot.pools}
        for node in snapshot.nodes:
            by_pool.setdefault(node.pool, []).append(node)
        known = {pool.name: pool for pool in snapshot.pools}
        self.pools = {name: known.get(name, Pool(name)) for name in sorted(by_pool)}
        self.fleets = {name: Fleet(by_pool[name]) for name in self.pools}
        self._pool_of_node = {node.name: node.pool for node in snapshot.nodes}
        self.book = Book(snapshot.quotas)
        self.running = {job.job: job for job in sorted(snapshot.running, key=lambda job: job.job)}
        self.waiting = {job.job: job for job in waiting}
        for job in self.running.values():
            self.book.use(job.team, self.pool_of(job), _amount(job))

    def pool_of(self, job: Running) -> str:
        """Where it runs; empty where its nodes are gone."""
        return next((self._pool_of_node[s.node] for s in job.shares if s.node in self._pool_of_node), "")

    def start(self, job: Waiting, pool: str, shares: tuple[Share, ...]) -> None:
        """The job has these places now."""
        self.fleets[pool].take(shares)
        self.running[job.job] = started(job, shares, self.now_s)
        self.book.use(job.team, pool, amount_milli(job.request, len(shares)))
        del self.waiting[job.job]

    def release_holds(self) -> None:
        """Nothing is kept for anybody any longer."""
        for fleet in self.fleets.values():
            fleet.release_holds()

    def leave(self, job: str) -> None:
        """The job saves and leaves."""
        self.running[job] = replace(self.running[job], leaving=True)

    def gone(self, job: Running, book: Book) -> tuple[Share, ...]:
        """What will be free once it has done what it was told, which the book is told too."""
        if job.leaving:
            book.use(job.team, self.pool_of(job), -_amount(job))
            return job.shares
        if job.next_shares is not None:
            book.use(job.team, self.pool_of(job), amount_milli(job.request, len(job.next_shares)) - _amount(job))
            return tuple(share for share in job.shares if share not in job.next_shares)
        return ()


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
        run_time=job.run_time,
        max_runtime_s=job.max_runtime_s,
        deadline_s=job.deadline_s,
        progress_s=now_s,
    )


def _amount(job: Running) -> int:
    return amount_milli(job.request, len(job.shares))
