"""Run times as they may turn out in one play: jobs of a kind that came together take after one another.

A user starts forty runs of one experiment: they take an hour each or a minute each, and not some the one and some the
other. So they are drawn from one stretch of what ended, not from all of it (a block bootstrap, Kuensch 1989), and from
stretches the rather that do not end before those of them that run already.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable

from drivetrain.compute.learn.run_times import FEWEST, History
from drivetrain.compute.policy.values import Running, Waiting

STRETCHES = (4, 16, 64)
"""How many runs one may be long."""
TOGETHER_S = 3600.0
LATEST = 0.5
"""How often it is what ended last: who started those may have started these."""
_NUM_TRIED, _MOST_MATES = 8, 20
Batch = tuple[object, ...]


class Draws:
    """The run times of one play. Args: running: what runs at `now_s`."""

    def __init__(
        self, history: History, rng: random.Random, running: Iterable[Running] = (), now_s: float = 0.0
    ) -> None:
        self._history, self._rng = history, rng
        self._ran_s: dict[Batch, list[float]] = {}
        for job in running:
            self._ran_s.setdefault(_batch(job), []).append(now_s - job.started_s)
        self._habits: dict[Batch, list[float]] = {}

    def run_s(self, job: Waiting | Running, ran_s: float = 0.0) -> float:
        """Of all of a job, given that it has run so long."""
        batch = _batch(job)
        if batch not in self._habits:
            self._habits[batch] = self._habit(job, self._ran_s.get(batch, [])[:_MOST_MATES])
        left = [run_s for run_s in self._habits[batch] if run_s > ran_s]
        return self._rng.choice(left) if left else self._history.draw_s(job, ran_s, self._rng)

    def _habit(self, job: Waiting | Running, ran_s: list[float]) -> list[float]:
        """A stretch of what ended; nothing where too little has."""
        past = self._history.lately(job)
        if len(past) < FEWEST:
            return []
        tried = [self._stretch(past) for _ in range(_NUM_TRIED)]
        odds = [math.prod(_share_longer(stretch, one_s) for one_s in ran_s) for stretch in tried]
        return self._rng.choices(tried, odds)[0]

    def _stretch(self, past: list[float]) -> list[float]:
        size = min(self._rng.choice(STRETCHES), len(past))
        last = len(past) - size
        first = last if self._rng.random() < LATEST else self._rng.randint(0, last)
        return past[first : first + size]


def _share_longer(stretch: list[float], ran_s: float) -> float:
    """Which part of it is longer, and never quite none or all."""
    return (sum(run_s > ran_s for run_s in stretch) + 0.5) / (len(stretch) + 1)


def _batch(job: Waiting | Running) -> Batch:
    request = job.request
    shape = request.gpu_milli, request.min_nodes, request.gpu
    return job.team, job.user, job.name, shape, job.submitted_s // TOGETHER_S
