"""Routes for jobs."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field
from sqlalchemy.exc import IntegrityError

from drivetrain.compute.controller.states import JobRecord, JobState
from drivetrain.compute.job import job_of
from drivetrain.server.database import Records, reading
from drivetrain.server.http import answers
from drivetrain.server.http.answers import answer, encoded
from drivetrain.server.http.bodies import Body
from drivetrain.server.http.who import allow, doing, person_of, server_of, write_refused
from drivetrain.server.services import arrays, jobs, logs
from drivetrain.server.services.following import Reader
from drivetrain.server.services.people import Person

router = APIRouter(prefix="/api/jobs", tags=["jobs"])
Who = Annotated[Person, Depends(person_of)]
_LONGEST_WAIT_S = 20.0
_MOST_LINES = 1_000_000
_LOOK_S, _LONGEST_LOOK_S = 0.02, 0.5


class Submission(Body):
    """What is to be run. `job` has the keys of a job file."""

    job: dict[str, Any]
    snapshot: str = Field(default="", max_length=80)
    folder: str = Field(default="", max_length=4096)
    key: str = Field(default="", max_length=128)


class Cursor(Body):
    """How far a reader of logs is, by file."""

    cursor: dict[str, int] = Field(default_factory=dict, max_length=100_000)
    rank: int | None = None
    wait_s: float = Field(default=0.0, ge=0.0, allow_inf_nan=False)


@router.post("", status_code=201, response_model=JobRecord)
def submit(request: Request, who: Who, submission: Submission) -> Response:
    """Take a job; of one that no pool can ever give, the answer is `refused` already, as it is about to be."""
    server = server_of(request)
    if not who.may_submit:
        allow(request, who, "submit", "jobs", is_allowed=False)
    job = job_of(submission.job)
    if not jobs.is_theirs(who, job):
        write_refused(request, who, "submit", f"team {job.team}")
    jobs.check_files(server.shelf, job, snapshot=submission.snapshot, folder=submission.folder)

    def take() -> JobRecord:
        with server.database.begin() as connection:
            return jobs.submit(
                connection,
                who,
                job,
                snapshot=submission.snapshot,
                folder=submission.folder,
                key=submission.key,
                now_s=server.clock(),
            )

    try:
        record = take()
    except IntegrityError:  # the same request came twice at once: now there is the job of the other one
        record = take()
    server.wake()
    if record.state is JobState.WAITING and (why := server.fitting.refusal(server.database, record)):
        record = replace(record, state=JobState.REFUSED, reason=why)
    return answer(record, 201)


@router.get("", response_model=list[answers.Listed])
def list_jobs(
    request: Request,
    who: Who,  # noqa: ARG001 - anybody with a token may look
    user: str = "",
    team: str = "",
    state: Annotated[list[JobState] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> Response:
    """The newest first."""
    with reading(server_of(request).database) as connection:
        found = Records(connection).jobs(user=user, team=team, states=state or (), limit=limit)
        tasks = arrays.standings(connection, [job.id for job in found if job.job.array])
    return answer([msgspec.to_builtins(job) | {"tasks": tasks.get(job.id)} for job in found])


@router.get("/{name}", response_model=answers.Described)
async def describe(request: Request, who: Who, name: str) -> Response:  # noqa: ARG001
    """A job with its attempts and events."""
    return encoded(await server_of(request).descriptions.ask(name))


@router.post("/{name}/stop", status_code=202, response_model=JobRecord)
def stop(request: Request, who: Who, name: str) -> Response:
    """Have a job save and leave."""
    server = server_of(request)
    with reading(server.database) as connection:
        job = jobs.find(connection, name)
    with doing(request, who, "stop", job.id, is_allowed=who.may_change(job.user)) as connection:
        jobs.stop(connection, who, job)
    server.wake()
    return answer(job, 202)


@router.get("/{name}/logs/last", response_model=answers.LastLines)
def last_lines(request: Request, who: Who, name: str, num: Annotated[int, Query(ge=0, le=_MOST_LINES)]) -> Response:  # noqa: ARG001
    """Where the last lines begin that each rank printed in its last attempt; of an array, where all does."""
    with reading(server_of(request).database) as connection:
        job = jobs.find(connection, name)
    return answer({"job": job.id, "cursor": {} if job.job.array else logs.before_last(job.run, num)})


@router.post("/{name}/logs", response_model=answers.Printed)
async def read_logs(request: Request, who: Who, name: str, cursor: Cursor) -> Response:  # noqa: ARG001
    """What ranks printed since; waits for something where there is nothing yet, but not for long."""
    server = server_of(request)
    loop = asyncio.get_running_loop()
    until_s = loop.time() + min(cursor.wait_s, _LONGEST_WAIT_S)
    pause_s = _LOOK_S

    reader = Reader(name, cursor.cursor, cursor.rank)
    while True:
        job, pieces = await server.printed.ask(reader)
        if pieces or job.state.is_final or loop.time() >= until_s:
            return answer({"job": job.id, "state": job.state, "reason": job.reason, "pieces": pieces})
        await asyncio.sleep(pause_s)
        pause_s = min(_LONGEST_LOOK_S, pause_s * 1.3)  # many may wait for long
