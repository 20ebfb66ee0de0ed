"""More workloads of the kind that Pollux's are: jobs drawn from a production cluster's, by its authors' recipe.

Which application a job trains goes by the GPU time that the drawn one took; when it comes, by the time of day; the size
and batch that it is submitted with are among those that use their GPUs well. Seeds 1 to 4 draw the shared ones.
Source: `workload.py` and `applications.py` of Pollux's published simulator.
"""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from drivetrain.compute.simulate.training import Submitted

if TYPE_CHECKING:
    from drivetrain.compute.simulate.training.profiles import Profile

FIRST_HOUR, NUM_HOURS = 2, 8
HOUR_S = 3600
LEAST_S, MOST_GPU_S = 60.0, 1000 * HOUR_S
BY_GPU_H = ((1, ("cifar10", "ncf")), (10, ("deepspeech2",)), (100, ("yolov3",)), (1000, ("imagenet",)))
SIZES = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48)
PER_NODE = 4
LEAST_USE, MOST_USE, LONGEST_S = 0.5, 0.8, 12 * HOUR_S
"""A size is asked for if its speed-up for each of its GPUs lies between these, and it is done in so long."""


def drawn(traces: Path, *, num_jobs: int, seed: int, instead: Mapping[str, str] | None = None) -> tuple[Submitted, ...]:
    """A workload of 8 hours.

    Args:
      traces: Pollux's folder.
      instead: applications that others train in place of.
    """
    import numpy as np

    chance, of_bert = random.Random(seed), random.Random(seed + 3)
    seen = _seen(traces / "philly.csv")
    rows = np.random.RandomState(chance.randint(0, 1 << 32)).choice(len(seen), size=num_jobs, replace=False)
    jobs = []
    for time_s, gpu_s in (seen[row] for row in rows):
        names = next(names for hours, names in BY_GPU_H if gpu_s < hours * HOUR_S)
        application = chance.choice(names) if len(names) > 1 else names[0]  # a choice of one would draw, too
        gpus, batch = chance.choice(_asked_for(traces, application))
        if application == "deepspeech2" and of_bert.randint(0, 1):
            application = "bert"
            gpus, batch = of_bert.choice(_asked_for(traces, application))
        if instead and application in instead:
            application = instead[application]
            gpus, batch = of_bert.choice(_asked_for(traces, application))
        jobs.append((time_s, application, gpus, batch))
    jobs.sort(key=lambda job: job[0])
    return tuple(
        Submitted(f"{application}-{number}", time_s, application, gpus, batch)
        for number, (time_s, application, gpus, batch) in enumerate(jobs)
    )


@lru_cache(maxsize=1)
def _seen(philly: Path) -> list[tuple[int, float]]:
    """When jobs came, in seconds from the first hour, and the GPU-seconds that each took."""
    seen = []
    with philly.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            hour, minute, second = map(int, row["timestamp"].split(" ")[1].split(":"))
            since = (hour - FIRST_HOUR) % 24
            gpu_s = float(row["gpu_time"])
            if float(row["duration"]) >= LEAST_S and gpu_s < MOST_GPU_S and since < NUM_HOURS:
                seen.append((since * HOUR_S + minute * 60 + second, gpu_s))
    return seen


@lru_cache
def _asked_for(traces: Path, application: str) -> list[tuple[int, int]]:
    """GPUs, each with its best batch, that a user may ask for."""
    from drivetrain.compute.simulate.training.profiles import read_profile

    profile = read_profile(traces, application)
    best = {size: found for size in SIZES if (found := _best(traces, profile, size))}
    alone_s, alone_batch = best[1]
    chosen = [
        (size, batch)
        for size, (took_s, batch) in best.items()
        if size > 1 and took_s < LONGEST_S and LEAST_USE < alone_s / took_s / size < MOST_USE
    ]
    return chosen or [(1, alone_batch)]


def _best(traces: Path, profile: Profile, size: int) -> tuple[float, int] | None:
    """(seconds to the end, batch) at so many GPUs; None where no batch fits them."""
    counts = tuple(min(PER_NODE, size - taken) for taken in range(0, size, PER_NODE))
    found = []
    for batch in profile.batches:
        each = math.ceil(batch / size - 1e-8)
        if each < profile.batch.smallest_local:
            continue
        parts = math.ceil(each / profile.batch.largest_local - 1e-8)
        step_s, sync_s = profile.step_time_s(counts, math.ceil(each / parts - 1e-8))
        with (traces / profile.name / f"validation-{batch}.csv").open(encoding="utf-8", newline="") as file:
            steps = float([row["iteration"] for row in csv.DictReader(file)][profile.num_epochs - 1])
        found.append((steps * (step_s + (parts - 1) * (step_s - sync_s)), batch))
    return min(found, default=None)
