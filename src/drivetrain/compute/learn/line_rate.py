"""How long a job will wait, coarsely: what is before it in line, by the rate at which devices become free.

For lines that are too long to be played forward. Work is counted in parts of the fleet x seconds, of that resource of
which a job asks for the largest part. It is done as fast as now: by as much of the fleet as is in use.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from drivetrain.compute.learn.draws import Draws
from drivetrain.compute.learn.run_times import History
from drivetrain.compute.policy.fairness import Capacity
from drivetrain.compute.policy.values import Running, Snapshot, Waiting

NUM_DRAWS = 20
MOST_DRAWN = 300
SPREAD = 0.3
"""Of the logarithm of all run times together, which draws of single ones do not show: they may all be longer."""


def rate_waits(
    snapshot: Snapshot, now_s: float, ahead: Sequence[Waiting], team: str, history: History, *, seed: int = 0
) -> list[float]:
    """From now until a job starts, in each of so many draws; ascending. Its cost does not grow with the line's length.

    Args:
      ahead: who is before it in line.
      team: whose it is: with quotas, what its own team has and waits for is what it waits for.
    """
    running = list(snapshot.running)
    if snapshot.quotas:
        ahead = [job for job in ahead if job.team == team]
        running = [job for job in running if job.team == team] or running
    capacity = Capacity.of(snapshot)
    used = sum(_part(capacity, job) for job in running) or 1.0
    waits = []
    for number in range(NUM_DRAWS):
        rng = random.Random(f"{seed} {number}")  # noqa: S311 - a draw, no secret
        draws = Draws(history, rng, running, now_s)
        some = rng.sample(ahead, min(len(ahead), MOST_DRAWN))
        work = sum(_part(capacity, job) * draws.run_s(job) for job in some)
        ends = rng.sample(running, min(len(running), MOST_DRAWN))
        first_s = min((_left_s(job, now_s, draws) for job in ends), default=0.0)
        scale = len(ahead) / max(1, len(some)) * rng.lognormvariate(0, SPREAD)
        waits.append(first_s + work * scale / used)
    return sorted(waits)


def _part(capacity: Capacity, job: Waiting | Running) -> float:
    num = len(job.shares) if isinstance(job, Running) else job.request.min_nodes
    return max(capacity.share(job.request, num))


def _left_s(job: Running, now_s: float, draws: Draws) -> float:
    ran_s = max(0.0, now_s - job.started_s)
    return draws.run_s(job, ran_s) - ran_s
