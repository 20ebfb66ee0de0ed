"""Routes for what is to be expected: how long a job will wait, and what more devices would change."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field
from sqlalchemy.exc import IntegrityError

from drivetrain.compute.controller.states import JobState
from drivetrain.core.errors import StoreError, UsageError
from drivetrain.server.database import reading
from drivetrain.server.foresee.answers import WaitAnswer, WhatIfAnswer
from drivetrain.server.http.answers import answer
from drivetrain.server.http.bodies import Body
from drivetrain.server.http.who import person_of, server_of
from drivetrain.server.services import estimates, jobs
from drivetrain.server.services.people import Person

router = APIRouter(prefix="/api", tags=["foresee"])
Who = Annotated[Person, Depends(person_of)]
_LONGEST_S = 14 * 86400.0


class Change(Body):
    """What there would be more of, such as `H100:16`, and how far to look."""

    add: list[Annotated[str, Field(max_length=80)]] = Field(min_length=1, max_length=20)
    over_s: float = Field(default=86400.0, ge=60.0, le=_LONGEST_S)


@router.get("/jobs/{name}/estimate", response_model=WaitAnswer)
def estimate(request: Request, who: Who, name: str) -> Response:  # noqa: ARG001 - anybody with a token may look
    """Why a job waits and when it should start; where nothing can be said of that, why."""
    server = server_of(request)
    with reading(server.database) as connection:
        job = jobs.find(connection, name)
    if job.state is not JobState.WAITING:
        raise UsageError(f"{job.id} does not wait: it is {job.state}")
    try:
        found = server.foresight.wait(job.id, server.clock())
    except StoreError as exc:
        text = f"{job.reason}; no estimate: {exc.message}"
        none = WaitAnswer(job=job.id, attempt="", asked_s=server.clock(), reason=job.reason, position=job.position)
        return answer(replace(none, why_not=exc.message, text=text))
    if found["low_s"] is not None:
        played = found["attempt"], found["asked_s"], found["low_s"], found["high_s"]
        told = estimates.Told(*played, found["p10_s"], found["p50_s"], found["p90_s"])
        with suppress(IntegrityError), server.database.begin() as connection:
            estimates.keep(connection, told)
    return answer(found)


@router.post("/whatif", response_model=WhatIfAnswer)
def what_if(request: Request, who: Who, change: Change) -> Response:  # noqa: ARG001
    """The fleet as it is and as it would be, played forward side by side from this moment."""
    server = server_of(request)
    return answer(server.foresight.what_if(tuple(change.add), change.over_s, server.clock()))
