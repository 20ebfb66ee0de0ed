"""One pass over those that wait, in their order: who starts, who makes room for whom, and what the rest waits for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from drivetrain.compute.policy import reasons
from drivetrain.compute.policy.backfill import quota_free_s, reserve
from drivetrain.compute.policy.fleet import Fleet
from drivetrain.compute.policy.place import place_gang
from drivetrain.compute.policy.pools import latest_start_s
from drivetrain.compute.policy.preempt import Victims, choose_victims, has_run_enough, price_s, why
from drivetrain.compute.policy.quota import Book
from drivetrain.compute.policy.resize import choose_shrinks, reason
from drivetrain.compute.policy.state import InLine, State, staying
from drivetrain.compute.policy.values import Preempt, Resize, Running, Share, Start, Wait


class _Waits(NamedTuple):
    """What a job waits for: places in a pool, or quota there; from when on it has them, where that is promised."""

    job: InLine
    pool: str
    position: int
    at_s: float | None = None
    others: bool = False


class _Later(NamedTuple):
    """Who will use how much of which quota once the first in line has what it waits for."""

    at_s: float
    team: str
    book: Book


class _Lowest(NamedTuple):
    """Priorities of a pool's running jobs. Attributes: may_leave: whether anybody has run for long enough at all."""

    preemptible: float
    elastic: float
    may_leave: bool


class Round:
    """What is decided in this pass, on top of what was. Attributes: starts, resizes, preempts: its decisions."""

    def __init__(self, state: State) -> None:
        self.starts: list[Start] = []
        self.resizes: list[Resize] = []
        self.preempts: list[Preempt] = []
        self._waits: list[_Waits] = []
        self._state = state
        self._soon: dict[str, Fleet] = {}
        self._soon_book = state.book.copy()
        self._soon_s = state.now_s
        self._later: list[_Later] = []
        self._headed: set[object] = set()
        self._too_long: dict[tuple[str, int, bool], float] = {}
        self._not_soon: set[tuple[str, int]] = set()
        self._in_vain: dict[tuple[str, int, int, tuple[str, ...]], float] = {}
        self._no_way: set[tuple[str, int, int, str]] = set()
        self._first_s: dict[tuple[str, int, str], float] = {}
        self._lowest: dict[str, _Lowest] = {}
        self._victims: dict[str, Victims] = {}
        self._by_pool: dict[str, list[str]] = {pool: [] for pool in ("", *state.pools)}
        for job in state.running.values():
            pool = state.pool_of(job)
            self._by_pool[pool].append(job.job)
            shares = state.gone(job, self._soon_book)
            if shares and pool:
                self._soon_of(pool).give(shares)
                self._soon_s = max(self._soon_s, state.now_s + job.grace_s)

    @property
    def is_still(self) -> bool:
        """Whether it changed nothing."""
        return not (self.starts or self.resizes or self.preempts)

    def consider(self, job: InLine, position: int) -> None:
        """Start the job, or see to it that it can start later."""
        alike = job.job.team, job.shape, job.job.priority, job.pools
        if alike in self._in_vain and job.end_s >= self._in_vain[alike] and job.job.deadline_s is None:
            self._wait(job, job.pools[0], position)
            return
        if self._starts(job, may_await=False) or self._starts(job, may_await=True):
            return
        for pool in job.pools:
            if self._gets_what_leaves(job, pool, position) or self._gets_room(job, pool, position):
                return
        self._wait(job, job.pools[0], position)
        self._in_vain[alike] = job.end_s

    def waits(self) -> list[Wait]:
        """Why each of those waits that did not start; right where the pass is still."""
        rooms: dict[tuple[str, int], str] = {}
        lacks: dict[tuple[str, int, str], str] = {}
        found = []
        for job, pool, position, at_s, others in self._waits:
            key, whose = (pool, job.shape), (pool, job.shape, job.job.team)
            if key not in rooms:
                rooms[key] = self._room(job, pool)
            if whose not in lacks:
                standing = reasons.quota(self._state.book, job.job.team, pool, job.need_milli)
                lacks[whose] = reasons.lack(job.job.request, rooms[key], standing)
            found.append(Wait(job.job.job, reasons.wait(lacks[whose], position, others=others), position, at_s))
        return found

    def _room(self, job: InLine, pool: str) -> str:
        """How many nodes have room for the job, in words."""
        fleet, request = self._state.fleets[pool], job.job.request
        free = fleet.num_with_room(request, held=True)
        kept = free - fleet.num_with_room(request, held=False)
        if not kept:
            return f"{free} in pool {pool} now"
        return f"{free} in pool {pool} now, {'it is' if free == 1 else f'{kept} are'} kept for whoever is first"

    def may_grow(self, job: Running, pool: str, num: int) -> bool:
        """Whether its team may use so many nodes of it more, with all that is promised."""
        need = job.request.gpu_milli * num
        books = (self._state.book, self._soon_book, *(later.book for later in self._later))
        return all(_allows(book, job.team, pool, need) for book in books)

    def _starts(self, job: InLine, *, may_await: bool) -> bool:
        """Start it in the first pool that has places, unless a cheaper one should have some in time."""
        for at, pool in enumerate(job.pools):
            if may_await and not self._state.fleets[pool].is_awaited:
                continue
            if at and self._can_wait_for(job, job.pools[:at]):
                break
            shares = self._places(job, pool, may_await=may_await)
            if shares is not None:
                self._start(job, pool, shares)
                return True
        return False

    def _places(self, job: InLine, pool: str, *, may_await: bool) -> tuple[Share, ...] | None:
        key = (pool, job.shape, may_await)
        if (key in self._too_long and job.end_s >= self._too_long[key]) or not self._has_quota(job, pool):
            return None
        shares = place_gang(self._state.fleets[pool], job.job.request, end_s=job.end_s, may_await=may_await)
        if shares is None:
            self._too_long[key] = job.end_s
        return shares

    def _has_quota(self, job: InLine, pool: str) -> bool:
        """Whether it may start now, also for those with places promised; no promise to others takes a team's own."""
        team, need = job.job.team, job.need_milli
        if not need:
            return True
        if not (_allows(self._state.book, team, pool, need) and _allows(self._soon_book, team, pool, need)):
            return False
        owns = bool(self._later) and self._state.book.owns(team, pool, need)
        counts = [later for later in self._later if job.end_s > later.at_s and (later.team == team or not owns)]
        return all(_allows(later.book, team, pool, need) for later in counts)

    def _can_wait_for(self, job: InLine, cheaper: Sequence[str]) -> bool:
        """Whether one of the cheaper pools should have room in time for the job's deadline."""
        if job.job.deadline_s is None or job.job.run_time is None:
            return False
        return any(self._first(job, pool) <= latest_start_s(job.job, self._state.pools[pool]) for pool in cheaper)

    def _first(self, job: InLine, pool: str) -> float:
        key = (pool, job.shape, job.job.team)
        if key not in self._first_s:
            found = reserve(job.job, pool, self._state, self._soon_of(pool).copy(), self._soon_book.copy())
            self._first_s[key] = found.at_s if found else math.inf
        return self._first_s[key]

    def _start(self, job: InLine, pool: str, shares: tuple[Share, ...]) -> None:
        team, need = job.job.team, job.need_milli
        standing = reasons.quota(self._state.book, team, pool, need)
        self.starts.append(Start(job.job.job, shares, reasons.start(shares, pool, standing)))
        self._state.start(job.job, pool, shares)
        if pool in self._soon:
            self._soon[pool].take(shares)
        for book in (self._soon_book, *(later.book for later in self._later if job.end_s > later.at_s)):
            book.use(team, pool, need)

    def _gets_what_leaves(self, job: InLine, pool: str, position: int) -> bool:
        """Promise it a place that is being made free."""
        key = (pool, job.shape)
        if pool not in self._soon or key in self._not_soon:
            return False
        if not _allows(self._soon_book, job.job.team, pool, job.need_milli):
            return False
        shares = place_gang(self._soon[pool], job.job.request, end_s=job.end_s)
        if shares is None:
            self._not_soon.add(key)
            return False
        self._soon[pool].take(shares)
        self._soon_book.use(job.job.team, pool, job.need_milli)
        self._state.fleets[pool].hold(shares, self._soon_s, self._soon[pool])
        self._waits.append(_Waits(job, pool, position, self._soon_s, others=True))
        return True

    def _gets_room(self, job: InLine, pool: str, position: int) -> bool:
        """Have elastic jobs give what they have on top, or else others save and leave, so that it gets a place."""
        key = (pool, job.shape, job.job.priority, job.job.team)
        if key in self._no_way or not self._might_ask(job, pool):
            return False
        soon, kept = self._soon_of(pool), None
        if self._lowest[pool].elastic <= job.job.priority:
            running = [self._state.running[name] for name in self._by_pool[pool]]
            kept = choose_shrinks(job.job, pool, running, soon, self._soon_book, job.end_s)
            for name, shares in (kept or {}).items():
                self._shrink(name, job, pool, shares)
        if kept is None:
            asked = self._asked(job, pool)
            if not asked:
                self._no_way.add(key)
                return False
            for victim in asked:
                self._ask(victim, job, pool)
        self._not_soon.clear()
        self._in_vain.clear()
        return self._gets_what_leaves(job, pool, position)

    def _asked(self, job: InLine, pool: str) -> list[Running] | None:
        """Who should leave for the job; nobody where that does not help, or where this plan has asked enough."""
        if not self._state.num_searches:
            return None
        if pool not in self._victims:
            running = [self._state.running[name] for name in self._by_pool[pool]]
            self._victims[pool] = Victims(running, pool, self._soon_of(pool), self._soon_book, self._state.now_s)
        owns = self._soon_book.owns(job.job.team, pool, job.need_milli)
        if not self._victims[pool].might_fit(job.job, owns=owns):
            return None
        self._state.num_searches -= 1
        return choose_victims(job.job, pool, self._state, self._victims[pool], self._soon_of(pool), self._soon_book)

    def _might_ask(self, job: InLine, pool: str) -> bool:
        """Whether there is anybody at all that it may have give or leave; quick, for most may not."""
        if pool not in self._lowest:
            running = [self._state.running[name] for name in self._by_pool[pool]]
            may_leave = [other for other in running if not other.leaving and has_run_enough(other, self._state.now_s)]
            gives = [other.priority for other in may_leave if other.preemptible]
            elastic = [other.priority for other in running if len(other.shares) > other.request.min_nodes]
            self._lowest[pool] = _Lowest(min(gives, default=math.inf), min(elastic, default=math.inf), bool(may_leave))
        lowest, book = self._lowest[pool], self._soon_book
        if lowest.preemptible < job.job.priority or lowest.elastic <= job.job.priority:
            return True
        return lowest.may_leave and book.owns(job.job.team, pool, job.need_milli) and book.is_lent(job.job.team, pool)

    def _shrink(self, name: str, job: InLine, pool: str, shares: tuple[Share, ...]) -> None:
        before = self._state.running[name]
        self.resizes.append(Resize(name, shares, reason(before, len(shares), f"{job.job.job} needs the rest more")))
        self._state.resize(name, shares)
        self._soon[pool].give(self._state.gone(self._state.running[name], self._soon_book))
        self._soon_s = max(self._soon_s, self._state.now_s + before.grace_s)

    def _ask(self, victim: Running, job: InLine, pool: str) -> None:
        state = self._state
        lost_s = price_s(victim, state.now_s)
        text = f"{why(job.job, victim)}; about {lost_s / 3600:.2g} device-hours are done again"
        self.preempts.append(Preempt(victim.job, victim.grace_s, job.job.job, lost_s, text))
        shares = staying(victim)
        self._soon[pool].give(shares)
        self._soon_book.use(victim.team, pool, -victim.request.gpu_milli * len(shares))
        self._soon_s = max(self._soon_s, state.now_s + victim.grace_s)
        state.leave(victim.job)

    def _wait(self, job: InLine, pool: str, position: int) -> None:
        """The first that lacks devices in a pool, or quota in a cohort, has them kept."""
        state, book, team = self._state, self._soon_book, job.job.team
        accounts = book.accounts(team, pool)
        head: object = pool
        if not (pool in self._headed and accounts in self._headed):
            head = pool if _allows(book, team, pool, job.need_milli) else accounts
        if head in self._headed:
            self._waits.append(_Waits(job, pool, position))
            return
        self._headed.add(head)
        then, at_s = book.copy(), None
        if head == pool:
            found = reserve(job.job, pool, state, self._soon_of(pool).copy(), then)
            if found is not None:
                at_s = found.at_s
                state.fleets[pool].hold(found.shares, at_s, found.fleet)
                self._soon[pool].hold(found.shares, at_s, found.fleet)
        else:
            at_s = quota_free_s(job.job, pool, state, then)
        if at_s is not None:
            self._later.append(_Later(at_s, team, then))
        self._waits.append(_Waits(job, pool, position, at_s))

    def _soon_of(self, pool: str) -> Fleet:
        if pool not in self._soon:
            self._soon[pool] = self._state.fleets[pool].copy()
        return self._soon[pool]


def _allows(book: Book, team: str, pool: str, need_milli: int) -> bool:
    room = book.room(team, pool)
    return room is None or room >= need_milli
