"""How long a job will run: quantiles of what similar ones took, corrected as it runs.

Similar are jobs of one user, name and shape; where there are too few of these, of one user and shape, of one user, of
one shape, and of all. Of each only the last ones count, for what people do changes.
"""

from __future__ import annotations

import bisect
import random
from collections import deque
from collections.abc import Iterator

from drivetrain.compute.policy.values import Request, Running, RunTime, Waiting

FEWEST = 8
MOST = 200
LONGEST_TAIL = 2.0


class Sample:
    """The last run times of similar jobs, ascending."""

    def __init__(self) -> None:
        self._order: deque[float] = deque()
        self.sorted_s: list[float] = []

    def __len__(self) -> int:
        return len(self._order)

    def add(self, run_s: float) -> None:
        """One more; beyond `MOST` the oldest goes."""
        if len(self._order) == MOST:
            del self.sorted_s[bisect.bisect_left(self.sorted_s, self._order.popleft())]
        self._order.append(run_s)
        bisect.insort(self.sorted_s, run_s)

    def longer_than(self, ran_s: float) -> int:
        """How many ran longer."""
        return len(self.sorted_s) - bisect.bisect_right(self.sorted_s, ran_s)


def quantiles(sorted_s: list[float], ran_s: float = 0.0) -> RunTime:
    """Of run times, given that it has run so long; one past all of them may run as long again, or `LONGEST_TAIL`."""
    left = sorted_s[bisect.bisect_right(sorted_s, ran_s) :]
    if not left:
        left = [ran_s * factor for factor in (1.1, 1.0 + LONGEST_TAIL / 2, 1.0 + LONGEST_TAIL)] if ran_s else [0.0]
    return RunTime(_at(left, 0.1), _at(left, 0.5), _at(left, 0.9))


class History:
    """Run times of jobs that ended."""

    def __init__(self) -> None:
        self._samples: dict[tuple[object, ...], Sample] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing ended yet."""
        return not self._samples

    def ended(self, job: Waiting, run_s: float) -> None:
        """A job ran to its end."""
        for key in _keys(job.user, job.name, job.request):
            self._samples.setdefault(key, Sample()).add(run_s)

    def expected(self, job: Waiting) -> RunTime | None:
        """Of all of a job's run; None where nothing ended yet."""
        found = self._similar(job.user, job.name, job.request, 0.0)
        return quantiles(found.sorted_s) if found else None

    def given(self, job: Waiting | Running, ran_s: float) -> RunTime | None:
        """Of all of an attempt, which has run so long already."""
        found = self._similar(job.user, job.name, job.request, ran_s)
        return quantiles(found.sorted_s, ran_s) if found else None

    def draw_s(self, job: Waiting | Running, ran_s: float, rng: random.Random) -> float:
        """One run time that it might have, given that it has run so long."""
        found = self._similar(job.user, job.name, job.request, ran_s)
        left = found.sorted_s[bisect.bisect_right(found.sorted_s, ran_s) :] if found else []
        if not found and job.run_time is not None:
            left = [run_s for run_s in (job.run_time.p10_s, job.run_time.p50_s, job.run_time.p90_s) if run_s > ran_s]
        if left:
            return rng.choice(left)
        return max(ran_s, 60.0) * rng.uniform(1.0, 1.0 + LONGEST_TAIL)

    def _similar(self, user: str, name: str, request: Request, ran_s: float) -> Sample | None:
        """The closest that are enough of those that ran longer; else the closest there are."""
        samples = [self._samples[key] for key in _keys(user, name, request) if key in self._samples]
        enough = [sample for sample in samples if sample.longer_than(ran_s) >= FEWEST]
        return next(iter(enough or samples), None)


def _keys(user: str, name: str, request: Request) -> Iterator[tuple[object, ...]]:
    shape = (request.gpu_milli, request.min_nodes, request.gpu)
    yield "name", user, name, shape
    yield "user shape", user, shape
    yield "user", user
    yield "shape", shape
    yield ("all",)


def _at(sorted_s: list[float], quantile: float) -> float:
    """Linear between the two next to it."""
    place = quantile * (len(sorted_s) - 1)
    low = int(place)
    high = min(low + 1, len(sorted_s) - 1)
    return sorted_s[low] + (place - low) * (sorted_s[high] - sorted_s[low])
