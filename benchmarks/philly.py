"""Jobs of the shape of the Philly trace, with the users that its table at hand does not name (Jeon et al., ATC 2019).

Most jobs ask for one GPU; larger ones run longer; run times are heavy-tailed, with medians from a quarter of an hour to
hours and one in 200 over a week; a few users and virtual clusters submit most; they do so by day, and several at once.
"""

from __future__ import annotations

import math
import random

from drivetrain.compute.policy.values import MILLI, Node, Pool, Quota, Snapshot, Waiting
from drivetrain.compute.simulate.philly import request_of
from drivetrain.compute.simulate.values import Arrival

GPUS = (1, 2, 4, 8, 16)
SHARE = (0.70, 0.08, 0.10, 0.09, 0.03)
MEDIAN_S = (800, 1500, 2600, 4200, 7500)
SIGMA = 1.3
OF_USER = 0.9
LONGEST_S = 7 * 86400
TEAMS = 7
USERS = 60
DAY_S = 86400.0


def trace(num_jobs: int, num_gpus: int, load: float, seed: int) -> list[Arrival]:
    """So many jobs that ask for `load` of the GPUs' time on average."""
    rng = random.Random(seed)
    users = [(f"user{at}", f"vc{at % TEAMS}", rng.gauss(0, OF_USER)) for at in range(USERS)]
    weights = [1 / (at + 1) for at in range(USERS)]
    jobs = []
    while len(jobs) < num_jobs:
        user, team, habit = rng.choices(users, weights)[0]
        size = rng.choices(range(len(GPUS)), SHARE)[0]
        for _ in range(min(num_jobs - len(jobs), rng.choice([1, 1, 1, 2, 3, 8]))):
            run_s = math.exp(math.log(MEDIAN_S[size]) + habit + rng.gauss(0, SIGMA))
            jobs.append((user, team, GPUS[size], min(run_s, LONGEST_S)))
        jobs[-1] = (*jobs[-1][:3], jobs[-1][3])
    span_s = sum(gpus * run_s for _, _, gpus, run_s in jobs) / (num_gpus * load)
    return _arrivals(jobs, span_s, rng)


def fleet(num_nodes: int) -> Snapshot:
    """Nodes of eight GPUs, shared by the virtual clusters with quotas that they lend."""
    nodes = tuple(Node(f"n{at:03d}", "philly", (MILLI,) * 8, "P100") for at in range(num_nodes))
    own = num_nodes * 8 * MILLI // TEAMS
    quotas = tuple(Quota(f"vc{at}", "philly", "", own) for at in range(TEAMS))
    return Snapshot(nodes, (Pool("philly"),), quotas)


def _arrivals(jobs: list[tuple[str, str, int, float]], span_s: float, rng: random.Random) -> list[Arrival]:
    """Jobs over the span, twice as many at noon as at midnight; those of one submission within a minute."""
    at_s, step_s, found = 0.0, span_s / len(jobs), []
    before = ""
    for number, (user, team, num_gpus, run_s) in enumerate(jobs):
        if user == before:
            at_s += rng.uniform(0, 10)
        else:
            by_day = 1 + math.cos(2 * math.pi * (at_s / DAY_S - 0.5)) / 3
            at_s += rng.expovariate(1 / (2 * step_s)) / by_day
        before = user
        job = Waiting(
            f"job{number:05d}",
            team,
            user,
            request_of(num_gpus),
            preemptible=True,
            submitted_s=at_s,
            eligible_s=at_s,
            save_every_s=1800.0,
            min_runtime_s=600.0,
        )
        found.append(Arrival(job, run_s))
    last_s = found[-1].job.submitted_s
    return [_scaled(arrival, span_s / last_s) for arrival in found]


def _scaled(arrival: Arrival, factor: float) -> Arrival:
    from msgspec.structs import replace

    at_s = arrival.job.submitted_s * factor
    return Arrival(replace(arrival.job, submitted_s=at_s, eligible_s=at_s), arrival.run_s)
