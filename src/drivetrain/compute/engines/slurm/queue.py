"""Slurm's jobs, as `squeue` prints them, those of others among them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

JOBS = ("squeue", "--noheader", "--all", "--format=%i|%T|%N|%r|%P|%k")
"""Comments come last, since anything may be in those of others."""
COMMENT = "drivetrain:"
_ATTEMPT = re.compile(r"[a-z0-9-]+\.[0-9]+")
_NUM_FIELDS = 6


@dataclass(frozen=True, slots=True)
class BatchJob:
    """A job of Slurm's.

    Attributes:
      number: Slurm's.
      nodes: that it has now, as Slurm writes them; of one that ends, those that it still has.
      reason: why it is pending, such as `Resources`.
      partitions: that it may run in.
    """

    number: str
    state: str
    nodes: str = ""
    reason: str = ""
    partitions: str = ""
    comment: str = ""

    @property
    def attempt(self) -> str:
        """That its comment names; empty where it is none of ours."""
        return attempt_of(self.comment)

    @property
    def is_pending(self) -> bool:
        """Whether it has not begun."""
        return self.state == "PENDING"

    @property
    def why(self) -> str:
        """What Slurm says that it waits for; empty where it does not wait, or Slurm has not said."""
        return self.reason if self.is_pending and self.reason != "None" else ""


def read_jobs(text: str) -> list[BatchJob]:
    """What `squeue` prints as `JOBS` asks it to."""
    lines = (line.split("|", _NUM_FIELDS - 1) for line in text.splitlines())
    return [BatchJob(*fields) for fields in lines if len(fields) == _NUM_FIELDS]


def by_attempt(jobs: Iterable[BatchJob]) -> dict[str, BatchJob]:
    """Of attempts, the job that Slurm has for each; one that it is ending is none."""
    return {job.attempt: job for job in jobs if job.attempt and job.state != "COMPLETING"}


def attempt_of(comment: str) -> str:
    """The attempt that a job's comment names; empty where it is none of ours."""
    attempt = comment.removeprefix(COMMENT).partition(" ")[0]
    return attempt if comment.startswith(COMMENT) and _ATTEMPT.fullmatch(attempt) else ""
