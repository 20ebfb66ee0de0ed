"""When jobs will have ended, as far as one can know; seconds."""

from __future__ import annotations

import math

from drivetrain.compute.policy.values import Running, RunTime, Waiting

SHORTEST_LEFT_S = 60.0


def latest_end_s(job: Waiting, now_s: float) -> float:
    """By when a job that starts now has ended, nine times of ten; infinite where nothing is known."""
    run_s = job.run_time.p90_s if job.run_time else math.inf
    return now_s + min(run_s, math.inf if job.max_runtime_s is None else job.max_runtime_s)


def expected_end_s(job: Running, now_s: float) -> float:
    """When a running job should end: half of those like it have by then.

    One that has run longer than the quantiles say, or of which nothing is known, has as long again before it as it has
    run: the estimate for what could be of any length.
    """
    if job.leaving:
        return now_s + job.grace_s
    ran_s = max(0.0, now_s - job.started_s)
    left_s = next((run_s - ran_s for run_s in _quantiles(job.run_time) if run_s > ran_s), max(ran_s, SHORTEST_LEFT_S))
    if job.max_runtime_s is not None:
        left_s = min(left_s, max(0.0, job.max_runtime_s - ran_s))
    return now_s + left_s


def _quantiles(run_time: RunTime | None) -> tuple[float, ...]:
    return (run_time.p50_s, run_time.p90_s) if run_time else ()
