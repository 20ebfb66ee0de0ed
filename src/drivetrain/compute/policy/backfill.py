"""When the first job in line can start, and what is kept for it then, so that nothing that starts now delays it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from drivetrain.compute.policy.fleet import Fleet
from drivetrain.compute.policy.place import place_gang
from drivetrain.compute.policy.quota import Book
from drivetrain.compute.policy.state import State, amount_milli, staying
from drivetrain.compute.policy.values import Running, Share, Waiting


@dataclass(frozen=True, slots=True)
class Reservation:
    """Places for a job at a later time.

    Attributes:
      at_s: when they should be free.
      shares: which they are.
      fleet, book: what is free and who uses what then, the job's own among it.
    """

    at_s: float
    shares: tuple[Share, ...]
    fleet: Fleet
    book: Book


def reserve(job: Waiting, pool: str, state: State, fleet: Fleet, book: Book) -> Reservation | None:
    """The first time at which its gang fits, as running jobs end; None where all of them gone is not enough.

    Args:
      fleet, book: once those have left that were told to, and with what is promised to others taken; they are changed.
    """
    need, num = amount_milli(job.request), job.request.min_nodes
    roomy = set(np.flatnonzero(fleet.feasible(job.request, math.inf)).tolist())
    for end_s, running in _ends(state, pool, book, job.team):
        shares = staying(running)
        fleet.give(shares)
        book.use(running.team, state.pool_of(running), -running.request.gpu_milli * len(shares))
        roomy |= {at for at in fleet.where(shares) - roomy if fleet.has_room(at, job.request)}
        room = book.room(job.team, pool)
        enough = len(roomy) >= num or (job.request.topology == "node" and roomy)
        if not enough or (room is not None and room < need):
            continue
        places = place_gang(fleet, job.request)
        if places is not None:
            fleet.take(places)
            book.use(job.team, pool, need)
            return Reservation(end_s, places, fleet, book)
    return None


def quota_free_s(job: Waiting, pool: str, state: State, book: Book) -> float | None:
    """When its team's quota should allow it, as running jobs end; None where all of them gone is not enough.

    Args: book: as for `reserve`; it is changed.
    """
    need = amount_milli(job.request)
    for end_s, running in _ends(state, "", book, job.team):
        book.use(running.team, state.pool_of(running), -running.request.gpu_milli * len(staying(running)))
        room = book.room(job.team, pool)
        if room is None or room >= need:
            book.use(job.team, pool, need)
            return end_s
    return None


def _ends(state: State, pool: str, book: Book, team: str) -> Iterator[tuple[float, Running]]:
    """Running jobs that stay, and that have something of the pool or of the team's quota, as they should end."""
    counts: dict[tuple[str, str], bool] = {}
    for end_s, _, job in state.by_end():
        whose = job.team, state.pool_of(job)
        if whose not in counts:
            counts[whose] = whose[1] == pool or job.team == team or book.shares_cohort(team, *whose)
        if counts[whose]:
            yield end_s, job
