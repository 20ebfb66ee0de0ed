"""Whom to ask to save and leave for a job that waits: those whose lost work costs least.

The price of a job is its accelerators x (time since its last checkpoint + what another start costs). A job may ask
those of lower priority that agreed to it, unless they are within the quota of another team; and, where it is within its
own team's quota, those that run on what their team borrowed, whatever their priority.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from drivetrain.compute.policy.ends import latest_end_s
from drivetrain.compute.policy.fleet import Fleet
from drivetrain.compute.policy.place import place_gang
from drivetrain.compute.policy.quota import Book
from drivetrain.compute.policy.state import State, amount_milli
from drivetrain.compute.policy.values import MILLI, Running, Waiting


def price_s(job: Running, now_s: float) -> float:
    """What it costs to stop a job, in device-seconds; of a job without accelerators, in node-seconds."""
    devices = sum(milli for share in job.shares for _, milli in share.milli) / MILLI or len(job.shares)
    return devices * (max(0.0, now_s - max(job.saved_s, job.started_s)) + job.restart_s)


def may_ask(job: Waiting, pool: str, victim: Running, book: Book, now_s: float) -> bool:
    """Whether a waiting job may have a running one of the same pool leave."""
    if victim.leaving or now_s - victim.started_s < victim.min_runtime_s:
        return False
    borrows = book.borrowed(victim.team, pool) > 0 and book.shares_cohort(job.team, victim.team, pool)
    if victim.preemptible and victim.priority < job.priority:
        return victim.team == job.team or borrows or not book.is_limited(pool)
    return borrows and victim.team != job.team and book.owns(job.team, pool, amount_milli(job.request))


@dataclass
class _Trial:
    """What would be once these have left."""

    job: Waiting
    pool: str
    state: State
    fleet: Fleet
    book: Book
    end_s: float
    gone: dict[str, Running] = field(default_factory=dict)

    def ask(self, victim: Running) -> bool:
        if victim.job in self.gone:
            return True
        if not may_ask(self.job, self.pool, victim, self.book, self.state.now_s):
            return False
        self.gone[victim.job] = victim
        self.fleet.give(victim.shares)
        self.book.use(victim.team, self.pool, -amount_milli(victim.request, len(victim.shares)))
        return True

    def keep(self, victim: Running) -> None:
        del self.gone[victim.job]
        self.fleet.take(victim.shares)
        self.book.use(victim.team, self.pool, amount_milli(victim.request, len(victim.shares)))

    def has_quota(self) -> bool:
        room = self.book.room(self.job.team, self.pool)
        return room is None or room >= amount_milli(self.job.request)

    def fits(self) -> bool:
        return self.has_quota() and place_gang(self.fleet, self.job.request, end_s=self.end_s) is not None


def choose_victims(
    job: Waiting, pool: str, state: State, candidates: Iterable[Running], fleet: Fleet, book: Book
) -> list[Running] | None:
    """Whom to ask so that the job fits, the cheapest there are; None where that is not enough.

    Args:
      candidates: running jobs of the pool.
      fleet, book: once those have left that were told to, and with what is promised to others taken; left as they were.
    """
    now_s = state.now_s
    trial = _Trial(job, pool, state, fleet, book.copy(), latest_end_s(job, now_s))
    by_price = sorted(
        (victim for victim in candidates if may_ask(job, pool, victim, book, now_s)),
        key=lambda victim: (price_s(victim, now_s), victim.job),
    )
    try:
        _free_nodes(trial, by_price)
        for victim in by_price:
            if trial.has_quota():
                break
            trial.ask(victim)
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


def _free_nodes(trial: _Trial, by_price: list[Running]) -> None:
    """Have those leave that stand in the way on the nodes where that is cheapest."""
    on_node: dict[int, list[Running]] = {}
    for victim in by_price:
        for at in {trial.fleet.index[s.node] for s in victim.shares if s.node in trial.fleet.index}:
            on_node.setdefault(at, []).append(victim)
    ready = set(np.flatnonzero(trial.fleet.feasible(trial.job.request, trial.end_s)).tolist())
    cost = {at: _cost(trial, at, victims) for at, victims in on_node.items() if at not in ready}
    best = {at: found for at, found in cost.items() if found is not None}
    for group in _groups(trial, ready, best):
        missing = trial.job.request.min_nodes - len(ready & group)
        while missing > 0:
            left = [at for at in best if at in group and at not in ready]
            if not left:
                break
            at = min(left, key=lambda at: (best[at][0], at))
            asked = [victim for victim in best[at][1] if trial.ask(victim)]
            ready.add(at)
            missing -= 1
            touched = {trial.fleet.index[s.node] for v in asked for s in v.shares if s.node in trial.fleet.index}
            for other in touched & best.keys() - ready:
                again = _cost(trial, other, on_node[other])
                best[other] = again if again is not None else best[other]
        return


def _groups(trial: _Trial, ready: set[int], best: dict[int, tuple[float, list[Running]]]) -> list[set[int]]:
    """Nodes of which the gang may be, cheapest first; one group where it may be on any."""
    request = trial.job.request
    everywhere = ready | best.keys()
    numbers = trial.fleet.groups.get(request.topology)
    if numbers is None or not request.topology_required:
        return [everywhere]
    groups: dict[int, set[int]] = {}
    for at in everywhere:
        groups.setdefault(int(numbers[at]), set()).add(at)
    groups.pop(-1, None)
    priced = []
    for number, group in groups.items():
        prices = sorted(0.0 if at in ready else best[at][0] for at in group)
        if len(prices) >= request.min_nodes:
            priced.append((sum(prices[: request.min_nodes]), number))
    return [groups[number] for _, number in sorted(priced)]


def _cost(trial: _Trial, at: int, victims: list[Running]) -> tuple[float, list[Running]] | None:
    """The price of room for one member on a node, and whom to ask for it; None where all of them are not enough."""
    name, fleet = trial.fleet.names[at], trial.fleet
    given = []
    found: tuple[float, list[Running]] | None = None
    chosen: list[Running] = []
    for victim in victims:
        if fleet.has_room(at, trial.job.request, trial.end_s):
            break
        if victim.job not in trial.gone:
            here = [share for share in victim.shares if share.node == name]
            fleet.give(here)
            given.extend(here)
            chosen.append(victim)
    if fleet.has_room(at, trial.job.request, trial.end_s):
        found = sum(price_s(victim, trial.state.now_s) for victim in chosen), chosen
    fleet.take(given)
    return found
