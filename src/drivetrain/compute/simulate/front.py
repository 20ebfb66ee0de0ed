"""Of a long line only the front: jobs that ask for the same differ in age alone, and where the first cannot start, the
next cannot. So a policy is told of the first few of each kind, as the live controller does."""

from __future__ import annotations

import bisect
from collections.abc import Callable

from drivetrain.compute.policy.values import Waiting

MANY, FEW = 100, 4
"""Of more jobs than the first, a policy is told of the oldest few of each kind, and asked again while any starts."""


class Front:
    """Who of those that wait a policy is told of: all of up to so many, and of more the oldest `FEW` of each kind."""

    def __init__(self, kind: Callable[[Waiting], object], *, many: int = MANY) -> None:
        self._kind, self._many = kind, many
        self._lines: dict[object, list[tuple[float, str]]] = {}

    def put(self, job: Waiting) -> None:
        """It waits."""
        bisect.insort(self._lines.setdefault(self._kind(job), []), (job.submitted_s, job.job))

    def drop(self, job: Waiting) -> None:
        """It waits no longer."""
        line = self._lines[self._kind(job)]
        del line[bisect.bisect_left(line, (job.submitted_s, job.job))]

    def first(self, num_waiting: int) -> list[str] | None:
        """Their ids; None for all."""
        return [job for line in self._lines.values() for _, job in line[:FEW]] if num_waiting > self._many else None

    def is_behind(self, job: Waiting, num_waiting: int) -> bool:
        """Whether the policy is not told of this one, which waits."""
        line = self._lines[self._kind(job)]
        return num_waiting > self._many and bisect.bisect_left(line, (job.submitted_s, job.job)) >= FEW


def by_request(job: Waiting) -> object:
    """Equal for jobs that ask for the same, in the same name."""
    return job.team, job.user, job.name, job.request, job.priority, job.preemptible, job.max_runtime_s, job.deadline_s


def by_age(job: Waiting) -> object:  # noqa: ARG001
    """All are of one kind, for a policy that goes by age alone."""
    return None
