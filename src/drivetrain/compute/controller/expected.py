"""How long jobs that are not over are expected to run: by kind, and for all kinds at the same moments.

What is expected then does not depend on when somebody asks, so that history can be played again; and of thousands of
jobs that are alike it is found out once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from drivetrain.compute.controller.line import kind_of
from drivetrain.compute.controller.states import JobRecord
from drivetrain.compute.learn.run_times import MOST, History
from drivetrain.compute.policy.values import RunTime, Waiting

Told = Callable[[JobRecord], Waiting]
Kind = tuple[object, ...]


class ExpectedRunTimes:
    """Of jobs that came and have not left.

    Args:
      told: of a job, as a policy sees it, but for its run time.
    Attributes:
      history: how long jobs ran.
    """

    def __init__(self, told: Told) -> None:
        self.history = History()
        self._told = told
        self._num: Counter[Kind] = Counter()
        self._examples: dict[Kind, JobRecord] = {}
        self._expected: dict[Kind, RunTime | None] = {}
        self._num_learned, self._refresh_at = 0, 1

    def come(self, job: JobRecord) -> None:
        """One more that is not over."""
        kind = _kind(job)
        self._num[kind] += 1
        if kind not in self._examples:
            self._examples[kind] = job
            self._expected[kind] = self.history.expected(self._told(job))

    def leave(self, job: JobRecord) -> None:
        """One that is over."""
        kind = _kind(job)
        self._num[kind] -= 1
        if not self._num[kind]:
            del self._num[kind], self._examples[kind], self._expected[kind]

    def learn(self, job: JobRecord) -> bool:
        """A job that ran tells how long such jobs run; whether it is time to see anew what is expected of others."""
        self.history.ended(self._told(job), job.ran_s)
        self._num_learned += 1
        if self._num_learned < self._refresh_at:
            return False
        self._refresh_at += min(self._num_learned, MOST)
        return True

    def see_anew(self) -> None:
        """From now on expect what is known now."""
        self._expected = {kind: self.history.expected(self._told(job)) for kind, job in self._examples.items()}

    def of(self, job: JobRecord, told: Waiting) -> RunTime | None:
        """Of all of a job's run; None where nothing is known."""
        kind = _kind(job)
        return self._expected[kind] if kind in self._expected else self.history.expected(told)


def _kind(job: JobRecord) -> Kind:
    return (job.user, job.job.name, *kind_of(job))
