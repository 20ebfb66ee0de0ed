"""More workloads of the kind that Pollux's are: jobs drawn from a production cluster's, by its authors' recipe.

Which application a job trains goes by the GPU time that the drawn one took; when it comes, by the time of day. Sizes
and batches as submitted are left out (1 GPU, the smallest batch): policies that choose them are compared on these.
Source: `workload.py` of Pollux's published simulator.
"""

from __future__ import annotations

import csv
import random
from pathlib import Path

from drivetrain.compute.simulate.training import Submitted

FIRST_HOUR, NUM_HOURS = 2, 8
HOUR_S = 3600
LEAST_S, MOST_GPU_S = 60.0, 1000 * HOUR_S
BY_GPU_H = ((1, ("cifar10", "ncf")), (10, ("deepspeech2", "bert")), (100, ("yolov3",)), (1000, ("imagenet",)))


def drawn(philly: Path, *, num_jobs: int, seed: int) -> tuple[Submitted, ...]:
    """A workload of 8 hours."""
    chance = random.Random(seed)
    seen = []
    with philly.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            hour, minute, second = map(int, row["timestamp"].split(" ")[1].split(":"))
            time_s = (hour - FIRST_HOUR) * HOUR_S + minute * 60 + second
            gpu_s = float(row["gpu_time"])
            if float(row["duration"]) >= LEAST_S and gpu_s < MOST_GPU_S and 0 <= time_s < NUM_HOURS * HOUR_S:
                seen.append((time_s, gpu_s))
    jobs = []
    for time_s, gpu_s in sorted(chance.sample(seen, num_jobs)):
        names = next(names for hours, names in BY_GPU_H if gpu_s < hours * HOUR_S)
        application = chance.choice(names)
        jobs.append(Submitted(f"{application}-{len(jobs)}", time_s, application, 1, 1))
    return tuple(jobs)
