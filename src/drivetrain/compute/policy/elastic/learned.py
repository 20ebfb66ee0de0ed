"""What finished jobs tell of the work of those that go on: by their application, and by how true declarations were."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from drivetrain.compute.policy.elastic.values import ElasticJob, Knowledge, Moment

NAME_ERROR, DECLARED_ERROR = 0.5, 0.25
"""How far off (in logarithms) one finished job of the name, or a declaration, is taken to be before more is known."""
DECLARED_SEEN = 2
"""And how many declarations that belief is worth."""


@dataclass(slots=True)
class Name:
    """Of an application: the whole work of its finished jobs, and the most that one which goes on has done."""

    totals: list[float] = field(default_factory=list)
    reached: float = 0.0


@dataclass(frozen=True, slots=True)
class Learned:
    """What may be known.

    Attributes:
      names: by application.
      declared_error: of the logarithm of declared work, as finished jobs had it; None where it may not be known.
    """

    names: dict[str, Name]
    declared_error: float | None

    def work_left(self, job: ElasticJob) -> float:
        """Progress that a job has still to make.

        What was declared and what finished jobs of its name took are averaged, each by how true it has proved; only
        those that took more than this one has done count. A job past that is taken to have as far to go as it is past
        it. Where nothing is known, it is as far from its end as the one of its name that has come furthest is from its
        start: the expectation for lengths whose logarithm is spread evenly.
        """
        name = self.names.get(job.application, Name())
        sum_of_logs = weights = 0.0
        longer = [total for total in name.totals if total > job.progress]
        if longer:
            mean = sum(longer) / len(longer)
            spread = NAME_ERROR**2 + sum(math.log(total / mean) ** 2 for total in longer)
            weights = (len(longer) + 1) / spread
            sum_of_logs = weights * math.log(mean)
        if self.declared_error is not None and job.declared:
            weight = 1.0 / self.declared_error**2
            weights += weight
            sum_of_logs += weight * math.log(job.declared)
        if weights:
            return abs(math.exp(sum_of_logs / weights) - job.progress)
        return 2 * max(name.reached, job.progress) - job.progress


def learn(moment: Moment, knowledge: Knowledge) -> Learned:
    """Look at the jobs that have finished, and how far the others are; no further than may be known."""
    names: dict[str, Name] = {}
    squares, seen = DECLARED_SEEN * DECLARED_ERROR**2, DECLARED_SEEN
    if knowledge is not Knowledge.BLIND:
        for one in moment.finished:
            names.setdefault(one.application, Name()).totals.append(one.progress)
            if one.declared:
                squares += math.log(one.declared / one.progress) ** 2
                seen += 1
        for job in moment.jobs:
            name = names.setdefault(job.application, Name())
            name.reached = max(name.reached, job.progress)
    return Learned(names, math.sqrt(squares / seen) if knowledge is Knowledge.DECLARED else None)
