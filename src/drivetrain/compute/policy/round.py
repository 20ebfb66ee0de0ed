"""One pass over those that wait, in their order: who starts, who is asked to leave for whom, and why the rest waits."""

from __future__ import annotations

import math
from collections.abc import Sequence

from drivetrain.compute.policy import reasons
from drivetrain.compute.policy.backfill import quota_free_s, reserve
from drivetrain.compute.policy.ends import latest_end_s
from drivetrain.compute.policy.fleet import Fleet
from drivetrain.compute.policy.place import place_gang
from drivetrain.compute.policy.preempt import choose_victims, price_s
from drivetrain.compute.policy.quota import Book
from drivetrain.compute.policy.state import State, amount_milli
from drivetrain.compute.policy.values import Preempt, Request, Running, Share, Start, Wait, Waiting


class Round:
    """What is decided in this pass, on top of what was.

    Attributes:
      starts, preempts, waits: its decisions; the last are right where there are none of the others.
    """

    def __init__(self, state: State) -> None:
        self.starts: list[Start] = []
        self.preempts: list[Preempt] = []
        self.waits: list[Wait] = []
        self._state = state
        self._soon: dict[str, Fleet] = {}
        self._soon_book = state.book.copy()
        self._soon_s = state.now_s
        self._later: list[tuple[float, Book]] = []
        self._headed: set[object] = set()
        self._too_long: dict[tuple[str, Request], float] = {}
        self._not_soon: set[tuple[str, Request]] = set()
        self._no_victims: set[tuple[str, Request, int, str]] = set()
        self._room: dict[tuple[str, Request], int] = {}
        self._by_pool: dict[str, list[Running]] = {pool: [] for pool in ("", *state.pools)}
        for job in state.running.values():
            pool = state.pool_of(job)
            self._by_pool[pool].append(job)
            shares = state.gone(job, self._soon_book)
            if shares and pool:
                self._soon_of(pool).give(shares)
                self._soon_s = max(self._soon_s, state.now_s + job.grace_s)

    def consider(self, job: Waiting, position: int, pools: Sequence[str]) -> None:
        """Start the job, or see to it that it can start later, and say why it waits."""
        end_s = latest_end_s(job, self._state.now_s)
        for pool in pools:
            shares = self._places(job, pool, end_s)
            if shares is not None:
                self._start(job, pool, shares, end_s)
                return
        for pool in pools:
            if self._gets_what_leaves(job, pool, position, end_s) or self._preempts(job, pool, position):
                return
        self._wait(job, pools[0], position)

    def _places(self, job: Waiting, pool: str, end_s: float) -> tuple[Share, ...] | None:
        key = (pool, job.request)
        if end_s >= self._too_long.get(key, math.inf) or not self._has_quota(job, pool, end_s):
            return None
        shares = place_gang(self._state.fleets[pool], job.request, end_s=end_s)
        if shares is None:
            self._too_long[key] = end_s
        return shares

    def _has_quota(self, job: Waiting, pool: str, end_s: float) -> bool:
        """Whether it may start now, also for those with places promised; its own quota nobody else's promise takes."""
        need = amount_milli(job.request)
        books = [self._state.book, self._soon_book]
        if not self._state.book.owns(job.team, pool, need):
            books += [book for at_s, book in self._later if end_s > at_s]
        return not need or all(_allows(book, job, pool) for book in books)

    def _start(self, job: Waiting, pool: str, shares: tuple[Share, ...], end_s: float) -> None:
        state = self._state
        what = f"{len(shares)} of {len(shares)} nodes" if len(shares) > 1 else shares[0].node
        standing = reasons.quota(state.book, job.team, pool, amount_milli(job.request))
        self.starts.append(Start(job.job, shares, "; ".join(filter(None, (f"{what} in pool {pool}", standing)))))
        state.start(job, pool, shares)
        if pool in self._soon:
            self._soon[pool].take(shares)
        need = amount_milli(job.request, len(shares))
        for book in (self._soon_book, *(book for at_s, book in self._later if end_s > at_s)):
            book.use(job.team, pool, need)

    def _gets_what_leaves(self, job: Waiting, pool: str, position: int, end_s: float) -> bool:
        """Promise it a place that is being made free."""
        key = (pool, job.request)
        if pool not in self._soon or key in self._not_soon or not _allows(self._soon_book, job, pool):
            return False
        shares = place_gang(self._soon[pool], job.request, end_s=end_s)
        if shares is None:
            self._not_soon.add(key)
            return False
        self._soon[pool].take(shares)
        self._soon_book.use(job.team, pool, amount_milli(job.request))
        self._state.fleets[pool].hold(shares, self._soon_s, self._soon[pool])
        why = "others save and leave for it"
        self._say(job, pool, position, why, self._soon_s)
        return True

    def _preempts(self, job: Waiting, pool: str, position: int) -> bool:
        key = (pool, job.request, job.priority, job.team)
        if key in self._no_victims:
            return False
        soon = self._soon_of(pool)
        victims = choose_victims(job, pool, self._state, self._by_pool[pool], soon, self._soon_book)
        if not victims:
            self._no_victims.add(key)
            return False
        for victim in victims:
            self._ask(victim, job, pool)
        self._not_soon.clear()
        return self._gets_what_leaves(job, pool, position, latest_end_s(job, self._state.now_s))

    def _ask(self, victim: Running, job: Waiting, pool: str) -> None:
        state = self._state
        lost_s = price_s(victim, state.now_s)
        why = f"of higher priority ({job.priority}, this has {victim.priority})"
        if not (victim.preemptible and victim.priority < job.priority):
            why = f"team {victim.team} borrowed what team {job.team} asks back"
        reason = f"saves and leaves for {job.job}, {why}; about {lost_s / 3600:.2g} device-hours are done again"
        self.preempts.append(Preempt(victim.job, victim.grace_s, job.job, lost_s, reason))
        state.leave(victim.job)
        leaving = state.running[victim.job]
        self._by_pool[pool] = [leaving if other.job == victim.job else other for other in self._by_pool[pool]]
        self._soon[pool].give(state.gone(leaving, self._soon_book))
        self._soon_s = max(self._soon_s, state.now_s + victim.grace_s)

    def _wait(self, job: Waiting, pool: str, position: int) -> None:
        """The first that lacks devices in a pool, or quota in a cohort, has them kept."""
        state, book = self._state, self._soon_book
        if not _allows(book, job, pool):
            head: object = book.accounts(job.team, pool)
            at_s = None
            if head not in self._headed:
                then = book.copy()
                at_s = quota_free_s(job, pool, state, then)
                if at_s is not None:
                    self._later.append((at_s, then))
            self._headed.add(head)
            self._say(job, pool, position, "", at_s)
            return
        at_s = None
        if pool not in self._headed:
            found = reserve(job, pool, state, self._soon_of(pool).copy(), book.copy())
            if found is not None:
                at_s = found.at_s
                state.fleets[pool].hold(found.shares, at_s, found.fleet)
                self._soon[pool].hold(found.shares, at_s, found.fleet)
                self._later.append((at_s, found.book))
        self._headed.add(pool)
        self._say(job, pool, position, "", at_s)

    def _say(self, job: Waiting, pool: str, position: int, why: str, at_s: float | None) -> None:
        state = self._state
        key = (pool, job.request)
        if key not in self._room:
            self._room[key] = int(state.fleets[pool].feasible(job.request, math.inf).sum())
        parts = (
            f"needs {reasons.need(job.request)} ({self._room[key]} in pool {pool} now)",
            reasons.quota(state.book, job.team, pool, amount_milli(job.request)),
            reasons.place_in_line(position),
            why,
            "" if at_s is None else f"expected start {reasons.in_time(at_s - state.now_s)}",
        )
        self.waits.append(Wait(job.job, "; ".join(filter(None, parts)), position, at_s))

    def _soon_of(self, pool: str) -> Fleet:
        if pool not in self._soon:
            self._soon[pool] = self._state.fleets[pool].copy()
        return self._soon[pool]


def _allows(book: Book, job: Waiting, pool: str) -> bool:
    room = book.room(job.team, pool)
    return room is None or room >= amount_milli(job.request)
