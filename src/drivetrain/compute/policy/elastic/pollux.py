"""Pollux's objective: the harmonic mean of all jobs' speed-ups over a fair share, less for those that are moved.

Source: Pollux (OSDI'21), section 4.2, with p = -1 and the caps of its published simulator. Its authors search with a
genetic algorithm; here the sizes are chosen greedily.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.compute.policy.elastic.place import place
from drivetrain.compute.policy.elastic.sizes import Floats, sizes_of
from drivetrain.compute.policy.elastic.speed import batch_array, speed_array
from drivetrain.compute.policy.elastic.values import Cluster, Decision, ElasticJob, Knowledge, Moment

RESTART_S = 30.0
"""What it takes a restart to cost, in its objective; a constant of its authors."""
_SMALL = 1e-3


@dataclass(frozen=True, slots=True)
class Pollux:
    """Shares GPUs out by Pollux's objective."""

    name: str = "pollux"
    knowledge: Knowledge = Knowledge.BLIND
    tunes_batch: bool = True

    def decide(self, moment: Moment, memory: object) -> Decision:  # noqa: ARG002 - it remembers nothing
        """See `Policy`."""
        from drivetrain.compute.policy.elastic.kernels.sharing import share_out

        cluster = moment.cluster
        sizes_S = sizes_of(cluster)
        jobs = sorted(moment.jobs, key=lambda job: (job.held_gpu_s, job.submitted_s))
        value_JS = np.array([_value(job, moment, len(jobs)) for job in jobs])
        most_J = np.searchsorted(sizes_S, [_most(job) for job in jobs], side="right") - 1
        chosen_J = share_out(value_JS, np.zeros_like(most_J), most_J, sizes_S, cluster.num_gpus)
        sizes = {job.name: int(sizes_S[k]) for job, k in zip(jobs, chosen_J, strict=True)}
        return Decision(place(sizes, jobs, cluster))


def _most(job: ElasticJob) -> int:
    """A job may double what it has tried."""
    return min(job.most_gpus, max(2 * job.tried_gpus, 1))


def _value(job: ElasticJob, moment: Moment, num_jobs: int) -> Floats:
    """What each size adds to the objective, float64 [S]."""
    cluster = moment.cluster
    sizes_S = sizes_of(cluster)
    fair = min(-(-cluster.num_gpus // num_jobs), job.batch.largest // job.batch.smallest_local)
    speedup_S = _speedups(job, cluster, fair)
    age_s = moment.now_s - job.submitted_s
    moved = max(age_s - job.num_restarts * RESTART_S, 0.0) / (age_s + RESTART_S)
    scaled_S = speedup_S * cluster.num_nodes / cluster.num_gpus
    scaled_S[sizes_S != job.num_gpus] *= moved
    value_S = -1.0 / (scaled_S + _SMALL)
    value_S[0] = -1.0 / _SMALL
    return value_S


def _speedups(job: ElasticJob, cluster: Cluster, fair: int) -> Floats:
    """Speed at each size over that at a fair share, which is taken to be within one node, as its authors do."""
    from drivetrain.compute.policy.elastic.kernels.step import best_batch, best_rates

    if job.speed is None:
        return sizes_of(cluster) / fair
    speed_7, batch_4 = speed_array(job.speed), batch_array(job.batch)
    at_fair, _, _ = best_batch(speed_7, *job.noise, batch_4, 1, fair)
    if at_fair <= 0:
        return np.zeros(len(sizes_of(cluster)))
    return best_rates(speed_7, *job.noise, batch_4, sizes_of(cluster), cluster.gpus_per_node) / at_fair
