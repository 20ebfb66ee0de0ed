"""In which order jobs are looked at: who is within its team's quota, by priority, by its team's share, by age.

Teams take turns as in dominant-resource fairness (Ghodsi et al., NSDI 2011): the next job is of the team that has the
least of the resource it has most of, by its weight, with what it used lately (given decayed). A team's running and
waiting jobs count in the order they were submitted, so that the line does not change when some of it starts: a job is
never pushed back because a later one of its team found a gap. A job that takes its team past what it owns is behind all
that do not, whatever its priority, since they may ask back what it would be given.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass

from drivetrain.compute.policy.values import Request, Running, Snapshot, Waiting


@dataclass(frozen=True, slots=True)
class Capacity:
    """All that the nodes have."""

    milli: int
    cpus: float
    memory_bytes: float

    @staticmethod
    def of(snapshot: Snapshot) -> Capacity:
        """Of a snapshot's nodes."""
        return Capacity(
            sum(node.num_gpus for node in snapshot.nodes) * 1000,
            sum(node.cpus for node in snapshot.nodes),
            sum(node.memory_bytes for node in snapshot.nodes),
        )

    def share(self, request: Request, num: int) -> tuple[float, float, float]:
        """Which part of each resource so many members have."""
        return (
            request.gpu_milli * num / self.milli if self.milli else 0.0,
            request.cpus * num / self.cpus if self.cpus else 0.0,
            request.memory_bytes * num / self.memory_bytes if self.memory_bytes else 0.0,
        )


class _Team:
    """A team's jobs, the next one last, and what those before it have."""

    __slots__ = ("_has_milli", "_lately", "_owned_milli", "_parts", "_weight", "jobs", "name")

    def __init__(self, name: str, weight: float, owned_milli: float, lately: float) -> None:
        self.name, self.jobs = name, list[Waiting | Running]()
        self._weight, self._owned_milli, self._lately = weight, owned_milli, lately
        self._parts, self._has_milli = (0.0, 0.0, 0.0), 0

    def turn(self) -> tuple[bool, int, float, str]:
        """When its next job is looked at, less is sooner."""
        job = self.jobs[-1]
        need_milli = self._has_milli + job.request.gpu_milli * job.request.min_nodes
        share = (max(self._parts) + self._lately) / self._weight
        return need_milli > self._owned_milli, -job.priority, share, self.name

    def take(self, capacity: Capacity) -> Waiting | Running:
        """Its next job, which counts from now on."""
        job = self.jobs.pop()
        num = job.request.min_nodes
        (had, had_cpus, had_memory), (more, cpus, memory) = self._parts, capacity.share(job.request, num)
        self._parts = had + more, had_cpus + cpus, had_memory + memory
        self._has_milli += job.request.gpu_milli * num
        return job


def in_line(snapshot: Snapshot) -> list[Waiting]:
    """Waiting jobs, who is first first."""
    capacity, teams = Capacity.of(snapshot), _teams(snapshot)
    order: list[Waiting] = []
    turns = [team.turn() for team in teams.values()]
    heapq.heapify(turns)
    while turns:
        team = teams[turns[0][-1]]
        job = team.take(capacity)
        if isinstance(job, Waiting):
            order.append(job)
        if team.jobs:
            heapq.heapreplace(turns, team.turn())
        else:
            heapq.heappop(turns)
    return order


def _teams(snapshot: Snapshot) -> dict[str, _Team]:
    """Those of which a job waits: what another uses moves its own jobs alone."""
    weights, owned = _weights(snapshot), _owned(snapshot)
    lately = sum(usage.milli_s for usage in snapshot.usage)
    decayed = {usage.team: usage.milli_s / lately for usage in snapshot.usage} if lately else {}
    teams: dict[str, _Team] = {}
    for name in {job.team: None for job in snapshot.waiting}:
        owned_milli = owned.get(name, 0) if owned else math.inf
        teams[name] = _Team(name, weights.get(name, 1.0), owned_milli, decayed.get(name, 0.0))
    jobs: list[Waiting | Running] = [*snapshot.running, *snapshot.waiting]
    for job in jobs:
        if job.team in teams:
            teams[job.team].jobs.append(job)
    for team in teams.values():
        team.jobs.sort(key=lambda job: (-job.priority, job.submitted_s, job.job), reverse=True)
    return teams


def _weights(snapshot: Snapshot) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for quota in snapshot.quotas:
        found[quota.team] = max(found.get(quota.team, 1e-6), quota.weight)
    return found


def _owned(snapshot: Snapshot) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for quota in snapshot.quotas:
        found[quota.team] = found.get(quota.team, 0) + quota.nominal_milli
    return found
