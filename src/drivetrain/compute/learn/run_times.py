"""How long a job will run: quantiles of what similar ones took, corrected as it runs.

Similar are jobs of one team, user, name and shape; where there are too few of these, of one user and shape, of one
user, of one team and shape, of one shape, and of all. Of each only the last ones count, for what people do changes.

Where there are too few, a draw believes n as far as n of n + `DOUBT`, and else looks at what wider ones have besides,
at last at what holds of anything that nothing is known of: what has lasted long lasts as long again with even odds (a
hierarchy of Chinese restaurants, Teh 2006; log-logistic, which for long times is Lindy's law).
"""

from __future__ import annotations

import bisect
import random
from collections import deque
from collections.abc import Iterator

from drivetrain.compute.policy.values import Running, RunTime, Waiting

FEWEST = 8
MOST = 200
LONGEST_TAIL = 2.0
DOUBT = 1.0
UNKNOWN_S, LONGEST_S = 60.0, 14 * 86400.0
"""The middle of what nothing is known of, and as far as is looked."""


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

    def in_order(self) -> list[float]:
        """As they ended."""
        return list(self._order)

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
        for key in _keys(job):
            self._samples.setdefault(key, Sample()).add(run_s)

    def expected(self, job: Waiting) -> RunTime | None:
        """Of all of a job's run; None where nothing ended yet."""
        found = self._similar(job, 0.0)
        return quantiles(found.sorted_s) if found else None

    def given(self, job: Waiting | Running, ran_s: float) -> RunTime | None:
        """Of all of an attempt, which has run so long already."""
        found = self._similar(job, ran_s)
        return quantiles(found.sorted_s, ran_s) if found else None

    def num_like(self, job: Waiting | Running) -> int:
        """How many of one team, user, name and shape have ended, of those that count."""
        found = self._samples.get(next(_keys(job)))
        return len(found) if found else 0

    def lately(self, job: Waiting | Running) -> list[float]:
        """What similar ones took, in the order in which they ended."""
        found = self._similar(job, 0.0)
        return found.in_order() if found else []

    def draw_s(self, job: Waiting | Running, ran_s: float, rng: random.Random) -> float:
        """One run time that it might have, given that it has run so long."""
        said, num_seen = job.run_time, 0
        for sample in filter(None, map(self._samples.get, _keys(job))):
            num = sample.longer_than(ran_s)
            num_new = num - num_seen
            if num >= FEWEST or (num_new > 0 and rng.random() * (num_new + DOUBT) < num_new):
                return sample.sorted_s[-rng.randint(1, num)]
            num_seen = max(num_seen, num)
        likely = [run_s for run_s in (said.p10_s, said.p50_s, said.p90_s) if run_s > ran_s] if said else []
        if likely and self.is_empty:
            return rng.choice(likely)
        drawn_s = (UNKNOWN_S + ran_s) / max(rng.random(), 1e-9) - UNKNOWN_S
        return max(ran_s * 1.0001, min(LONGEST_S, drawn_s))

    def _similar(self, job: Waiting | Running, ran_s: float) -> Sample | None:
        """The closest that are enough of those that ran longer; else the closest there are."""
        closest = None
        for sample in filter(None, map(self._samples.get, _keys(job))):
            if sample.longer_than(ran_s) >= FEWEST:
                return sample
            closest = closest or sample
        return closest


def _keys(job: Waiting | Running) -> Iterator[tuple[object, ...]]:
    shape = (job.request.gpu_milli, job.request.min_nodes, job.request.gpu)
    yield "name", job.team, job.user, job.name, shape
    yield "user shape", job.user, shape
    yield "user", job.user
    yield "team shape", job.team, shape
    yield "shape", shape
    yield ("all",)


def _at(sorted_s: list[float], quantile: float) -> float:
    """Linear between the two next to it."""
    place = quantile * (len(sorted_s) - 1)
    low = int(place)
    high = min(low + 1, len(sorted_s) - 1)
    return sorted_s[low] + (place - low) * (sorted_s[high] - sorted_s[low])
