"""Tiresias, as Pollux's authors play it: two queues, the first for jobs that have had little, sizes as submitted.

Source: Gu et al., NSDI'19; the queue's threshold and all ties as in Pollux's published simulator (osdi21-artifact).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from drivetrain.compute.policy.elastic.values import Cluster, Decision, ElasticJob, Knowledge, Moment, Placement

THRESHOLD_GPU_S = 16 * 3600
"""A job that has run for so long times its GPUs goes to the second queue."""


@dataclass(frozen=True, slots=True)
class Queues:
    """What it remembers: both queues in order, who was running since `now_s`, and for how long each has run."""

    now_s: float = 0.0
    first: tuple[str, ...] = ()
    second: tuple[str, ...] = ()
    running: frozenset[str] = frozenset()
    ran_s: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tiresias:
    """Gives each job the GPUs that were asked for, or none."""

    name: str = "tiresias"
    knowledge: Knowledge = Knowledge.BLIND
    tunes_batch: bool = False

    def decide(self, moment: Moment, memory: object) -> Decision:
        """See `Policy`."""
        jobs = {job.name: job for job in moment.jobs}
        queues = _moved(memory if isinstance(memory, Queues) else Queues(), jobs, moment.now_s)
        order = [jobs[name] for name in (*queues.first, *queues.second)]
        running = _admitted(order, moment.cluster.num_gpus)
        placements = _placed(order, running, moment.cluster)
        return Decision(placements, Queues(moment.now_s, queues.first, queues.second, running, queues.ran_s))


def _moved(queues: Queues, jobs: Mapping[str, ElasticJob], now_s: float) -> Queues:
    """New jobs enter the first queue, those that have had their share go to the end of the second."""
    known = {*queues.first, *queues.second}
    first = [name for name in queues.first if name in jobs] + [name for name in jobs if name not in known]
    second = [name for name in queues.second if name in jobs]
    ran_s = {name: queues.ran_s.get(name, 0.0) for name in jobs}
    for name, job in jobs.items():
        if name in queues.running:
            ran_s[name] += now_s - queues.now_s
            if name in first and ran_s[name] * job.requested_gpus >= THRESHOLD_GPU_S:
                first.remove(name)
                second.append(name)
    return Queues(now_s, tuple(first), tuple(second), frozenset(), ran_s)


def _admitted(order: list[ElasticJob], num_gpus: int) -> frozenset[str]:
    """Who may run: each in turn that still fits."""
    running = set()
    for job in order:
        if job.requested_gpus <= num_gpus:
            running.add(job.name)
            num_gpus -= job.requested_gpus
    return frozenset(running)


def _placed(order: list[ElasticJob], running: frozenset[str], cluster: Cluster) -> dict[str, Placement]:
    """Running jobs stay; the others take from the emptiest node, the first of equals, until they have enough."""
    placements = {job.name: job.placement for job in order if job.name in running and job.placement}
    free = [cluster.gpus_per_node] * cluster.num_nodes
    for placement in placements.values():
        for node, count in placement:
            free[node] -= count
    for job in order:
        if job.name in running and job.name not in placements:
            parts: list[tuple[int, int]] = []
            missing = job.requested_gpus
            while missing:
                node = free.index(max(free))
                count = min(free[node], missing)
                parts.append((node, count))
                free[node] -= count
                missing -= count
            placements[job.name] = tuple(parts)
    return placements
