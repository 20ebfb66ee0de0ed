"""A job and an attempt as they are at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from operator import attrgetter
from typing import TypeVar

from drivetrain.compute.job import Job
from drivetrain.compute.policy.values import Share

MEASURED_S = 20.0
"""Steps of so long tell how fast a job is."""


class JobState(StrEnum):
    """Where a job is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    LEAVING = "leaving"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    REFUSED = "refused"

    @property
    def is_final(self) -> bool:
        """Whether it never changes again."""
        return self in _FINAL


_FINAL = {JobState.SUCCEEDED, JobState.FAILED, JobState.STOPPED, JobState.REFUSED}


class AttemptState(StrEnum):
    """Where one try of a job is."""

    PLACED = "placed"
    STARTING = "starting"
    RUNNING = "running"
    LEAVING = "leaving"
    ENDED = "ended"


class Why(StrEnum):
    """Why an attempt was told to leave."""

    PREEMPTED = "preempted"
    RESIZED = "resized"
    STOPPED = "stopped"
    OVER_TIME = "over-time"
    IDLE = "idle"
    LOST = "lost"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A job at one moment.

    Attributes:
      id: of the job.
      job: what was asked.
      user, team: whose.
      snapshot: id of its code; empty where it runs in a folder as it is.
      folder: where it runs, within the snapshot or on the machine.
      run: id of the run that all its attempts continue.
      state, reason: where it is, and why, for people.
      submitted_s: seconds since the epoch, as all times here.
      eligible_s: it does not start before.
      num_attempts: made so far; num_lost: those that ended since a node was lost; ran_s: how long those that ended ran.
      speeds: of an elastic job, steps a second by number of nodes, as it was last seen with so many.
      position: in the queue, from 1.
      parent: the array whose tasks it takes; empty for all but the workers of arrays.
      exit_code: of the last attempt that ended.
      ended_s: when it came to a final state.
    """

    id: str
    job: Job
    user: str
    team: str
    run: str
    snapshot: str = ""
    folder: str = ""
    state: JobState = JobState.WAITING
    reason: str = ""
    submitted_s: float = 0.0
    eligible_s: float = 0.0
    num_attempts: int = 0
    num_lost: int = 0
    ran_s: float = 0.0
    speeds: Mapping[int, float] = field(default_factory=dict)
    position: int = 0
    parent: str = ""
    exit_code: int | None = None
    ended_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One try of a job at one moment.

    Attributes:
      id: `JOB.NUMBER`.
      job: whose try.
      shares: what each member of its gang has of a node, in the order of their ranks.
      known_as: what its engine calls it, for people who look there; empty where it has no name yet.
      state: where it is.
      placed_s, started_s, ended_s: since the epoch; it has its places until it has ended.
      ran_until_s: when the last of its ranks ended; long before `ended_s` where no server was there to hear of it.
      exits: by number of a member, from 0, how its ranks ended.
      lost: members whose agents are gone without a word.
      why: it was told to leave; empty while it may stay.
      leave_by_s: when it is killed if it has not left.
      saved_s: when its last checkpoint was complete; progress_s: when it was last seen to get on.
      used_s: when it was last seen to use its devices, of a job that gives them up where it does not.
      saved_step, step: how many steps that checkpoint covers, and the furthest one that was done.
      first_step, first_step_s: the first one that was seen done, and when; before it came what is not training.
      lost_s: device-seconds that a preemption cost.
      next_shares: what it was told to have instead, where it leaves for that.
    """

    id: str
    job: str
    number: int
    shares: tuple[Share, ...]
    pool: str = ""
    known_as: str = ""
    state: AttemptState = AttemptState.PLACED
    placed_s: float = 0.0
    started_s: float | None = None
    ended_s: float | None = None
    ran_until_s: float | None = None
    exits: Mapping[int, int] = field(default_factory=dict)
    lost: tuple[int, ...] = ()
    why: Why | None = None
    reason: str = ""
    leave_by_s: float | None = None
    saved_s: float | None = None
    progress_s: float | None = None
    used_s: float | None = None
    saved_step: int | None = None
    step: int | None = None
    first_step: int | None = None
    first_step_s: float | None = None
    lost_s: float = 0.0
    next_shares: tuple[Share, ...] | None = None

    @property
    def steps_per_s(self) -> float | None:
        """Since the first step that was seen; None where that is not long enough to tell."""
        if self.step is None or self.first_step is None or self.progress_s is None or self.first_step_s is None:
            return None
        took_s = self.progress_s - self.first_step_s
        return (self.step - self.first_step) / took_s if took_s >= MEASURED_S else None

    @property
    def nodes(self) -> tuple[str, ...]:
        """Of each member, its node."""
        return tuple(share.node for share in self.shares)


Record = TypeVar("Record", JobRecord, AttemptRecord)

_NAMES = {kind: tuple(each.name for each in fields(kind)) for kind in (JobRecord, AttemptRecord)}
_READ = {kind: attrgetter(*names) for kind, names in _NAMES.items()}
_WRITE = {kind: tuple(getattr(kind, name).__set__ for name in names) for kind, names in _NAMES.items()}


def changed(record: Record, **new: object) -> Record:
    """The record with other values; as `dataclasses.replace` in a third of its time, of which events cost most."""
    kind = type(record)
    copy = object.__new__(kind)
    for write, value in zip(_WRITE[kind], _READ[kind](record), strict=True):
        write(copy, value)
    for name, value in new.items():
        object.__setattr__(copy, name, value)
    return copy
