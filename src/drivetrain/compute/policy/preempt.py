"""Whom to ask to save and leave for a job that waits: those whose lost work costs least.

The price of a job is its accelerators x (time since its last checkpoint + what another start costs). A job may ask
those of lower priority that agreed to it, unless they are within the quota of another team; and, where it is within its
own team's quota, those that run on what their team borrowed, whatever their priority. What a team borrowed is what its
jobs of least priority run on: others of it, once asked, would be the first in line for the place that they left.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from drivetrain.compute.policy.ends import latest_end_s
from drivetrain.compute.policy.fleet import Fleet, Whole
from drivetrain.compute.policy.place import fewest_nodes, place_gang
from drivetrain.compute.policy.quota import Book
from drivetrain.compute.policy.state import State, amount_milli, staying
from drivetrain.compute.policy.values import MILLI, Running, Waiting


def price_s(job: Running, now_s: float) -> float:
    """What it costs to stop a job, in device-seconds; of a job without accelerators, in node-seconds."""
    devices = sum(milli for share in job.shares for _, milli in share.milli) / MILLI or len(job.shares)
    return devices * (max(0.0, now_s - max(job.saved_s, job.started_s)) + job.restart_s)


def stays_s(job: Waiting | Running) -> float:
    """How long it runs before it may be asked to leave: its least run time, or until its start has paid."""
    return max(job.min_runtime_s, job.restart_s)


def has_run_enough(job: Running, now_s: float) -> bool:
    """Whether it may be asked to leave."""
    return now_s - job.started_s >= stays_s(job)


def may_ask(job: Waiting, pool: str, victim: Running, book: Book, now_s: float, *, on_borrowed: bool) -> bool:
    """Whether a waiting job may have a running one of the same pool leave.

    Args:
      on_borrowed: whether the victim is one `on_what_is_borrowed`.
    """
    if victim.leaving or not has_run_enough(victim, now_s):
        return False
    borrows = on_borrowed and book.borrowed(victim.team, pool) > 0 and book.shares_cohort(job.team, victim.team, pool)
    if victim.preemptible and victim.priority < job.priority:
        return victim.team == job.team or borrows or not book.is_limited(pool)
    return borrows and victim.team != job.team and book.owns(job.team, pool, amount_milli(job.request))


def on_what_is_borrowed(running: Iterable[Running], pool: str, book: Book) -> frozenset[str]:
    """Of the jobs of a pool, those that run on what their teams borrowed: of each team those of least priority."""
    by_team: dict[str, dict[int, list[Running]]] = {}
    for job in running:
        by_team.setdefault(job.team, {}).setdefault(job.priority, []).append(job)
    found: set[str] = set()
    for team, by_priority in by_team.items():
        left_milli = book.borrowed(team, pool)
        for priority in sorted(by_priority):
            if left_milli <= 0:
                break
            found.update(job.job for job in by_priority[priority])
            left_milli -= sum(job.request.gpu_milli * len(staying(job)) for job in by_priority[priority])
    return frozenset(found)


def why(job: Waiting, victim: Running) -> str:
    """What gives a job the right to a running one's place, in words."""
    if victim.preemptible and victim.priority < job.priority:
        return f"saves and leaves for {job.job}, of priority {job.priority} (this has {victim.priority})"
    return f"saves and leaves for {job.job}: team {victim.team} borrowed what team {job.team} asks back"


class Victims:
    """Who of a pool's running jobs could be asked at all, the cheapest first."""

    def __init__(self, running: Sequence[Running], pool: str, fleet: Fleet, book: Book, now_s: float) -> None:
        stay = [job for job in running if not job.leaving]
        self.on_borrowed = on_what_is_borrowed(stay, pool, book)
        jobs = [job for job in stay if has_run_enough(job, now_s)]
        self._by_price = sorted((price_s(job, now_s), job.job) for job in jobs)
        self._num_gone = 0
        self._jobs = jobs
        self._fleet = fleet.copy()
        self._most: dict[tuple[int, bool], Fleet] = {}

    def by_price(self, running: Mapping[str, Running]) -> Iterator[tuple[float, str]]:
        """Price and name of each; the cheapest, who were asked first, are passed over once they all leave."""
        while self._num_gone < len(self._by_price) and running[self._by_price[self._num_gone][1]].leaving:
            self._num_gone += 1
        return itertools.islice(self._by_price, self._num_gone, None)

    def might_fit(self, job: Waiting, *, owns: bool) -> bool:
        """Whether the job would fit were all gone that it may ask, or that anybody in its place might."""
        key = job.priority, owns
        if key not in self._most:
            fleet = self._most[key] = self._fleet.copy()
            for victim in self._jobs:
                if owns or (victim.preemptible and victim.priority < job.priority):
                    fleet.give(staying(victim))
        return int(self._most[key].feasible(job.request, math.inf).sum()) >= fewest_nodes(job.request)


@dataclass
class _Trial:
    """What would be once these have left."""

    job: Waiting
    pool: str
    state: State
    fleet: Fleet
    book: Book
    end_s: float
    on_borrowed: frozenset[str]
    gone: dict[str, Running] = field(default_factory=dict)

    def ask(self, victim: Running) -> bool:
        if victim.job in self.gone:
            return True
        on_borrowed = victim.job in self.on_borrowed
        if not may_ask(self.job, self.pool, victim, self.book, self.state.now_s, on_borrowed=on_borrowed):
            return False
        self.gone[victim.job] = victim
        self._move(victim, 1)
        return True

    def keep(self, victim: Running) -> None:
        del self.gone[victim.job]
        self._move(victim, -1)

    def has_quota(self) -> bool:
        room = self.book.room(self.job.team, self.pool)
        return room is None or room >= amount_milli(self.job.request)

    def fits(self) -> bool:
        return self.has_quota() and place_gang(self.fleet, self.job.request, end_s=self.end_s) is not None

    def _move(self, victim: Running, sign: int) -> None:
        shares = staying(victim)
        (self.fleet.give if sign > 0 else self.fleet.take)(shares)
        self.book.use(victim.team, self.pool, -sign * victim.request.gpu_milli * len(shares))


def choose_victims(
    job: Waiting, pool: str, state: State, victims: Victims, fleet: Fleet, book: Book
) -> list[Running] | None:
    """Whom to ask so that the job fits, the cheapest there are; None where that is not enough.

    Args:
      fleet, book: once those have left that were told to, and with what is promised to others taken; left as they were.
    """
    now_s = state.now_s
    trial = _Trial(job, pool, state, fleet, book.copy(), latest_end_s(job, now_s), victims.on_borrowed)
    try:
        chosen = _free_nodes(trial, victims)
        if chosen is None:
            return None
        for name in chosen:
            trial.ask(state.running[name])
        enough = trial.has_quota()
        for _, name in victims.by_price(state.running) if not enough else ():
            if name not in trial.gone and trial.ask(state.running[name]) and trial.has_quota():
                break
        if not trial.fits():
            return None
        for victim in sorted(trial.gone.values(), key=lambda victim: (-price_s(victim, now_s), victim.job)):
            trial.keep(victim)
            if not trial.fits():
                trial.ask(victim)
        return sorted(trial.gone.values(), key=lambda victim: victim.job)
    finally:
        for victim in list(trial.gone.values()):
            trial.keep(victim)


def _free_nodes(trial: _Trial, victims: Victims) -> list[str] | None:
    """Who stands in the way on the nodes where that is cheapest, by price; None where there are not enough.

    Candidates go one by one, the cheapest first, until no node that is not free by then could be cheaper than those
    that are: its price is at least that of the next candidate. Nobody is gone afterwards.
    """
    fleet, request = trial.fleet, trial.job.request
    num = fewest_nodes(request)
    free = {int(at): 0.0 for at in np.flatnonzero(fleet.feasible(request, trial.end_s))}
    on_node: dict[int, list[tuple[float, str]]] = {}
    anywhere = not (request.topology_required and request.topology in fleet.groups)
    for price, name in victims.by_price(trial.state.running):
        if anywhere and len(free) >= num and price >= sorted(free.values())[num - 1]:
            break
        victim = trial.state.running[name]
        if not trial.ask(victim):
            continue
        for at in sorted(fleet.where(staying(victim)) - free.keys()):
            on_node.setdefault(at, []).append((price, name))
            if fleet.has_room(at, request, trial.end_s):
                free[at] = sum(price for price, _ in on_node[at])
    for victim in list(trial.gone.values()):
        trial.keep(victim)
    nodes = _cheapest(free, None if anywhere else fleet.groups[request.topology], num)
    if nodes is None:
        return None
    return [name for _, name in sorted({entry for at in nodes for entry in on_node.get(at, ())})]


def _cheapest(free: Mapping[int, float], groups: Whole | None, num: int) -> list[int] | None:
    """The nodes of least price, of one group where there are groups."""
    by_group: dict[int, list[tuple[float, int]]] = {}
    for at, price in free.items():
        group = 0 if groups is None else int(groups[at])
        if group >= 0:
            by_group.setdefault(group, []).append((price, at))
    enough = [sorted(nodes)[:num] for nodes in by_group.values() if len(nodes) >= num]
    if not enough:
        return None
    return [at for _, at in min(enough, key=lambda nodes: (sum(price for price, _ in nodes), nodes))]
