"""In which order jobs are looked at: who is within its team's quota, by priority, by its team's share, by age.

Teams take turns as in dominant-resource fairness (Ghodsi et al., NSDI 2011): the next job is of the team that has the
least of the resource it has most of, by its weight, with what it used lately (given decayed). A team's running and
waiting jobs count in the order they were submitted, so that the line does not change when some of it starts: a job is
never pushed back because a later one of its team found a gap. A job that takes its team past what it owns is behind all
that do not, whatever its priority, since they may ask back what it would be given.
"""

from __future__ import annotations

import heapq
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


def in_line(snapshot: Snapshot) -> list[Waiting]:
    """Waiting jobs, who is first first."""
    weights, owned = _weights(snapshot), _owned(snapshot)
    capacity = Capacity.of(snapshot)
    lately = sum(usage.milli_s for usage in snapshot.usage)
    decayed = {usage.team: usage.milli_s / lately for usage in snapshot.usage} if lately else {}
    used: dict[str, list[float]] = {}
    had_milli: dict[str, int] = {}
    teams: dict[str, list[Waiting | Running]] = {}
    who = {job.team for job in snapshot.waiting}  # what a team uses moves its own jobs alone
    jobs: list[Waiting | Running] = [*(job for job in snapshot.running if job.team in who), *snapshot.waiting]
    for job in jobs:
        teams.setdefault(job.team, []).append(job)
    for mine in teams.values():
        mine.sort(key=lambda job: (-job.priority, job.submitted_s, job.job), reverse=True)

    def turn(team: str) -> tuple[bool, int, float, str]:
        job = teams[team][-1]
        share = (max(used.get(team, [0.0])) + decayed.get(team, 0.0)) / weights.get(team, 1.0)
        has_milli = had_milli.get(team, 0) + job.request.gpu_milli * job.request.min_nodes
        return bool(owned) and has_milli > owned.get(team, 0), -job.priority, share, team

    order: list[Waiting] = []
    turns = [turn(team) for team in teams]
    heapq.heapify(turns)
    while turns:
        team = heapq.heappop(turns)[-1]
        job = teams[team].pop()
        had = used.setdefault(team, [0.0, 0.0, 0.0])
        for at, part in enumerate(capacity.share(job.request, job.request.min_nodes)):
            had[at] += part
        had_milli[team] = had_milli.get(team, 0) + job.request.gpu_milli * job.request.min_nodes
        if isinstance(job, Waiting):
            order.append(job)
        if teams[team]:
            heapq.heappush(turns, turn(team))
    return order


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
