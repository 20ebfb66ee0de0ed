"""What a policy is told of a job: numbers instead of what its owner wrote."""

from __future__ import annotations

import math
from collections.abc import Mapping

from drivetrain.compute.controller.states import AttemptRecord, AttemptState, JobRecord
from drivetrain.compute.policy.values import MILLI, Request, Running, RunTime, Waiting

SAVED_EVERY_S = 600.0
"""How often a job that agrees to be preempted is taken to save; what interruptions cost it goes by that."""


def request_of(record: JobRecord, *, has_cores: bool) -> Request:
    """What a job asks of each node. One without accelerators takes cores, where a pool counts these as devices."""
    job = record.job
    least, most = job.nodes_range
    takes_cores = not job.gpu_milli and has_cores and job.gpu in ("", "cpu")
    return Request(
        min_nodes=least,
        max_nodes=most,
        gpu_milli=MILLI * max(job.num_ranks, math.ceil(job.cpus)) if takes_cores else job.gpu_milli,
        gpu="cpu" if takes_cores else job.gpu,
        cpus=0 if takes_cores else job.cpus or job.num_ranks,
        memory_bytes=job.memory_bytes,
        pool=job.pool,
        topology=job.topology,
        topology_required=job.topology_required,
    )


def waiting_of(record: JobRecord, request: Request) -> Waiting:
    """A job that waits, as a policy sees it."""
    job = record.job
    return Waiting(
        job=record.id,
        team=record.team,
        user=record.user,
        request=request,
        priority=job.priority_value,
        preemptible=job.preemptible,
        submitted_s=record.submitted_s,
        eligible_s=record.eligible_s,
        max_runtime_s=job.max_runtime_s,
        deadline_s=None if job.deadline_s is None else record.submitted_s + job.deadline_s,
        name=job.name,
        save_every_s=SAVED_EVERY_S if job.preemptible else None,
        min_runtime_s=job.min_runtime_s,
        grace_s=job.grace_s,
        idle_after_s=job.idle_after_s,
        speed_by_nodes=record.speeds,
        was_accepted=bool(record.reason or record.num_attempts),
    )


def speeds_of(record: JobRecord, attempt: AttemptRecord) -> Mapping[int, float]:
    """Steps a second of an elastic job by number of nodes; `global_batch` stays, so that steps are of equal work."""
    least, most = record.job.nodes_range
    rate = attempt.steps_per_s
    return record.speeds if least == most or rate is None else {**record.speeds, len(attempt.shares): rate}


def what_is_left(run_time: RunTime, ran_s: float, restart_s: float) -> RunTime:
    """Of a run time, for a job that ran before, and goes on.

    One that has run longer than a quantile says has until the next before it, past all of them as long again as it has
    run, as `expected_end_s` takes it: were next to nothing expected of it, a job that was asked to leave for a gang
    would fill the place that it left for as long as the gang's other places are still being left, and so delay it.

    Args:
      restart_s: what another start costs it.
    """
    if not ran_s:
        return run_time
    quantiles = (run_time.p10_s, run_time.p50_s, run_time.p90_s)
    left = [next((run_s - ran_s for run_s in quantiles[at:] if run_s > ran_s), ran_s) for at in range(len(quantiles))]
    return RunTime(*(restart_s + left_s for left_s in left))


def running_of(record: JobRecord, attempt: AttemptRecord, request: Request, run_time: RunTime | None) -> Running:
    """A job that has places, as a policy sees it. Args: run_time: expected of this attempt."""
    job, has_begun = record.job, attempt.started_s is not None
    started_s = attempt.started_s or attempt.placed_s
    return Running(
        job=record.id,
        attempt=attempt.id,
        team=record.team,
        user=record.user,
        request=request,
        shares=attempt.shares,
        priority=job.priority_value,
        preemptible=job.preemptible,
        submitted_s=record.submitted_s,
        next_shares=attempt.next_shares,
        started_s=started_s,
        min_runtime_s=job.min_runtime_s,
        saved_s=attempt.saved_s or started_s,
        grace_s=job.grace_s,
        max_runtime_s=job.max_runtime_s if has_begun else None,
        deadline_s=None if job.deadline_s is None else record.submitted_s + job.deadline_s,
        progress_s=max(attempt.progress_s or started_s, attempt.used_s or 0.0),
        idle_after_s=job.idle_after_s if has_begun else None,
        name=job.name,
        run_time=run_time,
        speed_by_nodes=speeds_of(record, attempt),
        leaving=attempt.state is AttemptState.LEAVING,
    )
