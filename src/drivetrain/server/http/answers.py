"""What routes answer, as OpenAPI tells it; jobs, attempts, nodes and settings are the records themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from fastapi import Response
from pydantic import BaseModel
from typing_extensions import TypedDict

from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.controller.states import AttemptRecord, JobRecord, JobState
from drivetrain.server.services.arrays import Failure, Standing
from drivetrain.server.services.logs import Piece
from drivetrain.server.services.people import Role
from drivetrain.server.services.restarts import RestartTold


class Refusal(BaseModel):
    """Why something was refused, and what to do instead."""

    detail: str
    hint: str = ""


class Health(BaseModel):
    """That a server is there. `identity` is another one each time it starts."""

    is_up: bool
    identity: str


class Who(BaseModel):
    """Somebody with a token."""

    name: str
    role: Role
    teams: tuple[str, ...]


class TokenKept(BaseModel):
    """What is known of a token, which is not itself kept."""

    label: str
    expires_s: float


class UserKept(Who):
    """A user, with the tokens that are good."""

    tokens: list[TokenKept]


class Token(BaseModel):
    """A token, shown this once."""

    token: str


class Dropped(BaseModel):
    """How many tokens were taken back."""

    num_dropped: int


class Audited(BaseModel):
    """Who did what, or tried to, and when: seconds since the epoch.

    Attributes: was_allowed: and was done; what was refused for any reason was not.
    """

    seq: int
    at_s: float
    user: str
    action: str
    subject: str
    was_allowed: bool


class IsThere(BaseModel):
    """Whether code has been sent."""

    is_there: bool


class Sent(BaseModel):
    """Code that has been sent."""

    id: str


@dataclass(frozen=True, kw_only=True)
class Event:
    """What happened to a job or an attempt of it."""

    at_ns: int
    kind: str
    subject: str
    data: Any


@dataclass(frozen=True, kw_only=True)
class Listed(JobRecord):
    """A job, and of an array how far its tasks are."""

    tasks: Standing | None


@dataclass(frozen=True, kw_only=True)
class Described(Listed):
    """A job with its attempts, in order, and all that happened; of an array, the first tasks that failed for good.

    Attributes:
      restarts: of ranks in place, within its attempts.
      num_tasks_again: tasks that were given out more than once.
      deadline_s: when it should be done, since the epoch.
    """

    attempts: list[AttemptRecord]
    events: list[Event]
    failed_tasks: list[Failure]
    num_tasks_again: int
    deadline_s: float | None
    restarts: list[RestartTold]


class Printed(BaseModel):
    """What ranks printed past a cursor, and the state of their job."""

    job: str
    state: JobState
    reason: str
    pieces: list[Piece]


class LastLines(BaseModel):
    """Where the last lines that ranks printed begin: of each file, so many bytes from its begin."""

    job: str
    cursor: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class NodeNow(NodeRecord):
    """A node, what is free of each of its devices, and which attempts have the rest."""

    free_milli: list[int]
    attempts: list[str]


class Account(TypedDict):
    """An account of the fleet, for programs and for people."""

    json: dict[str, Any]
    text: str


class Heard(BaseModel):
    """Why an agent has to leave, where it has to."""

    leave: str | None


class Given(BaseModel):
    """Tasks for a worker, and how many of the array have no result yet."""

    tasks: list[int]
    num_left: int


class Taken(BaseModel):
    """How much of a file the server has now."""

    size_bytes: int


def answer(value: object, status: int = 200) -> Response:
    """A value as it is: to check it and encode it field by field, as FastAPI would, takes longer than all else."""
    return encoded(msgspec.json.encode(value), status)


def encoded(value: bytes, status: int = 200) -> Response:
    """A value that is JSON already."""
    return Response(value, status, media_type="application/json")
