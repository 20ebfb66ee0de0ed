"""What a play is played on, and who comes to it, in the words of the controller that schedules live."""

from __future__ import annotations

from dataclasses import dataclass

from drivetrain.compute.controller.changes import Settings
from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.controller.states import JobRecord
from drivetrain.compute.job import Job, accepted_before
from drivetrain.compute.policy.values import CORES, MILLI, Pool, Waiting

POOL = "fleet"
_CORES_PER_GPU = 1000
"""Of nodes of which only the GPUs are known: as many as the smallest shares of these can have one each."""


@dataclass(frozen=True, slots=True)
class Site:
    """Nodes, and what operators have set: pools with prices and interruptions, quotas, budgets."""

    nodes: tuple[NodeRecord, ...]
    settings: Settings


def alike(pool: str, num_nodes: int, gpus_per_node: int, gpu: str = "") -> tuple[NodeRecord, ...]:
    """So many nodes of a pool of which only the accelerators are known: cores and memory are never short there."""
    cpus = gpus_per_node if gpu == CORES else _CORES_PER_GPU * max(1, gpus_per_node)
    return tuple(
        NodeRecord(
            name=f"{pool}-{at:0{len(str(num_nodes))}d}",
            pool=pool,
            gpu=gpu,
            num_gpus=gpus_per_node,
            cpus=cpus,
            memory_bytes=1 << 50,
        )
        for at in range(num_nodes)
    )


def equal_nodes(num_nodes: int, gpus_per_node: int) -> Site:
    """So many alike in one pool that is paid for in any case."""
    return Site(alike(POOL, num_nodes, gpus_per_node), Settings(pools=(Pool(POOL),)))


def record_of(job: Waiting) -> JobRecord:
    """The job as somebody would have submitted it; a policy is told the same of it again.

    But for cores, of which the controller gives everybody one at least.
    """
    asked = job.request
    takes_cores = asked.gpu == CORES
    with accepted_before():
        wanted = Job(
            command=("played",),
            name=job.name,
            pool=asked.pool,
            nodes=f"{asked.min_nodes}:{asked.max_nodes}",
            gpus=0 if takes_cores else asked.gpu_milli / MILLI,
            gpu=asked.gpu,
            cpus=asked.gpu_milli / MILLI if takes_cores else asked.cpus,
            memory=f"{asked.memory_bytes}B" if asked.memory_bytes else "",
            ranks=1,
            topology=asked.topology,
            topology_required=asked.topology_required,
            priority=job.priority,
            preemptible=job.preemptible,
            min_runtime=_text(job.min_runtime_s or None),
            max_runtime=_text(job.max_runtime_s),
            deadline=_text(None if job.deadline_s is None else max(0.0, job.deadline_s - job.submitted_s)),
            grace=_text(job.grace_s),
            idle_after=_text(job.idle_after_s),
        )
    return JobRecord(
        id=job.job,
        job=wanted,
        user=job.user,
        team=job.team,
        run=job.job,
        submitted_s=job.submitted_s,
        eligible_s=job.eligible_s,
        speeds=job.speed_by_nodes,
    )


def _text(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.9f}s"
