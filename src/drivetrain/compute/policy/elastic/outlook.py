"""What is expected of a job, by what may be known of it: work that remains, and how fast each size does it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from drivetrain.compute.policy.elastic.learned import Learned, learn
from drivetrain.compute.policy.elastic.sizes import Floats, sizes_of
from drivetrain.compute.policy.elastic.speed import batch_array, speed_array
from drivetrain.compute.policy.elastic.values import Batch, Cluster, ElasticJob, Knowledge, Measured, Moment, Speed

UNSEEN_S = 600.0
"""Of a job that has measured nothing: how long it may take on one GPU. It measures within a minute."""
UNSEEN_LOSS = 0.8
"""And how it grows faster with n GPUs: n to this power. Both only order jobs for their first minute."""
LEAST_S = 60.0
"""What is known of a job's end is not better than this."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """Work that remains, and progress a second at each size, 0 where it cannot run; float64 [S]."""

    left: float
    rate_S: Floats


def outlooks(moment: Moment, knowledge: Knowledge) -> list[Outlook]:
    """What to expect of each job, whatever more the moment tells than may be known."""
    learned = learn(moment, knowledge)
    return [_outlook(job, moment.cluster, learned) for job in moment.jobs]


def _outlook(job: ElasticJob, cluster: Cluster, learned: Learned) -> Outlook:
    sizes_S = sizes_of(cluster)
    if job.speed is None:
        rate_S = np.where(sizes_S <= job.most_gpus, sizes_S.astype(np.float64) ** UNSEEN_LOSS, 0.0)
        return Outlook(UNSEEN_S, rate_S)
    rate_S = _rates(job.speed, job.noise, job.batch, job.fixed_batch or 0, job.most_gpus, job.measured, cluster)
    return Outlook(max(learned.work_left(job), LEAST_S * float(rate_S[1])), rate_S)


@lru_cache(maxsize=16384)
def _rates(
    speed: Speed,
    noise: tuple[float, float],
    batch: Batch,
    fixed_batch: int,
    most_gpus: int,
    measured: tuple[Measured, ...],
    cluster: Cluster,
) -> Floats:
    """Progress a second at each size; as measured where it was, else as fitted."""
    from drivetrain.compute.policy.elastic.kernels.step import corrected_rates

    sizes_S = sizes_of(cluster)
    rows_M4 = np.array([(m.num_nodes, m.num_gpus, m.local_batch, m.step_s) for m in measured], dtype=np.float64)
    rate_S = corrected_rates(
        speed_array(speed), *noise, batch_array(batch), fixed_batch, sizes_S, cluster.gpus_per_node, rows_M4
    )
    rate_S[sizes_S > most_gpus] = 0.0
    rate_S.setflags(write=False)
    return rate_S
