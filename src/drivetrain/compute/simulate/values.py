"""What comes into a play and what comes out of it, and what a policy may know in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from drivetrain.compute.policy.values import Running, RunTime, Waiting


@dataclass(frozen=True, slots=True)
class Arrival:
    """A job that comes at `job.submitted_s`. Attributes: run_s: how long it runs on its fewest nodes, undisturbed."""

    job: Waiting
    run_s: float


class Knowledge(Protocol):
    """What the policy may know of run times."""

    def expected(self, job: Waiting) -> RunTime | None:
        """Of all of a job, when it comes."""
        ...

    def given(self, job: Running, ran_s: float) -> RunTime | None:
        """Of all of an attempt that has run so long already."""
        ...

    def ended(self, job: Waiting, run_s: float) -> None:
        """A job ran to its end."""
        ...


class AsSaid:
    """Knows of run times what the jobs say, and nothing else."""

    def expected(self, job: Waiting) -> RunTime | None:
        """As it says."""
        return job.run_time

    def given(self, job: Running, ran_s: float) -> RunTime | None:  # noqa: ARG002 - others know more by it
        """As it said."""
        return job.run_time

    def ended(self, job: Waiting, run_s: float) -> None:
        """Learns nothing."""


@dataclass(slots=True)
class Story:
    """What became of a job.

    Attributes:
      starts_s, ends_s: of each attempt; the last one may not have ended.
      lost_s: device-seconds of work that was done again.
      outcome: `waiting`, `running`, `done`, `stopped`, `failed` or `refused`.
      done_s: work that is kept.
      reason: why it is refused.
      num_interrupted: attempts whose node was taken back by its owner.
    """

    job: Waiting
    run_s: float
    starts_s: list[float] = field(default_factory=list)
    ends_s: list[float] = field(default_factory=list)
    lost_s: float = 0.0
    outcome: str = "waiting"
    done_s: float = 0.0
    reason: str = ""
    num_interrupted: int = 0

    @property
    def wait_s(self) -> float | None:
        """From its submission to its first start; None where it never did."""
        return self.starts_s[0] - self.job.submitted_s if self.starts_s else None


@dataclass(slots=True)
class Use:
    """What a pool's devices did, in milli-device-seconds: all there was, and given to jobs."""

    capacity: float = 0.0
    allocated: float = 0.0
