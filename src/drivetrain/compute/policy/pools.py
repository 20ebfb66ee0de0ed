"""Which pool suits a job: the one where it costs least in the end and is done by its deadline.

What interruptions cost is counted: a job that saves does half of what lies between two saves again, and starts again,
each time; one that cannot save starts from nothing, so that it takes (exp(rate x time) - 1) / rate on average.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from drivetrain.compute.policy.values import MILLI, Pool, Waiting

UNKNOWN_RUN_S = 3600.0


def by_price(job: Waiting, names: Sequence[str], pools: Mapping[str, Pool], now_s: float) -> tuple[str, ...]:
    """The pools in the order in which the job should have them."""
    if len(names) < 2:
        return tuple(names)

    def key(name: str) -> tuple[bool, float, float, str]:
        run_s = expected_run_s(job, pools[name])
        late = job.deadline_s is not None and now_s + run_s > job.deadline_s
        return late, run_s if late else expected_cost(job, pools[name]), run_s, name

    return tuple(sorted(names, key=key))


def expected_run_s(job: Waiting, pool: Pool) -> float:
    """How long the job takes in this pool, interruptions among it."""
    run_s = job.run_time.p50_s if job.run_time else UNKNOWN_RUN_S
    rate_per_s = pool.interruptions_per_h * job.request.min_nodes / 3600
    if not rate_per_s:
        return run_s
    if job.save_every_s is not None:
        return run_s * (1 + rate_per_s * (job.save_every_s / 2 + job.restart_s))
    expected = rate_per_s * run_s
    return math.expm1(expected) / rate_per_s if expected < 100 else math.inf


def expected_cost(job: Waiting, pool: Pool) -> float:
    """What the job costs in this pool, in millionths of the currency; nothing where it is paid for in any case."""
    if pool.kind == "reserved":
        return 0.0
    units = (job.request.gpu_milli / MILLI or 1.0) * job.request.min_nodes
    return units * pool.price_per_gpu_h * expected_run_s(job, pool) / 3600


def latest_start_s(job: Waiting, pool: Pool) -> float:
    """When the job must have started there to be done by its deadline, nine times of ten; infinite without one."""
    if job.deadline_s is None or job.run_time is None:
        return math.inf
    longer = expected_run_s(job, pool) / job.run_time.p50_s if job.run_time.p50_s else 1.0
    return job.deadline_s - job.run_time.p90_s * longer
