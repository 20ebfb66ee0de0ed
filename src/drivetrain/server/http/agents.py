"""Routes for agents; each needs the token of its attempt.

Keys that are not known are passed over here: jobs outlive servers, so an agent may be of another version than the one
that it reports to, and what it says besides is no reason not to hear it.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Depends, HTTPException, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from drivetrain.compute.agent.client import MOST_WORDS
from drivetrain.compute.controller.states import AttemptRecord, AttemptState, JobRecord
from drivetrain.server.database import Records, reading
from drivetrain.server.http import answers
from drivetrain.server.http.state import Server
from drivetrain.server.http.who import attempt_of, server_of
from drivetrain.server.services import agents, arrays

router = APIRouter(prefix="/agent/{attempt}/{member}", tags=["agents"])
Attempt = Annotated[AttemptRecord, Depends(attempt_of)]
_JSON: dict[int | str, dict[str, Any]] = {200: {"content": {"application/json": {}}}}
_BYTES: dict[int | str, dict[str, Any]] = {200: {"content": {"application/octet-stream": {}}}}
Step = Annotated[int, Field(ge=0, lt=1 << 53)]
Number = Annotated[int, Field(ge=0, lt=1 << 31)]
ExitCode = Annotated[int, Field(ge=0, le=255)]
Seconds = Annotated[float, Field(ge=0, le=1e10, allow_inf_nan=False)]


class Beat(BaseModel):
    """How far an attempt is."""

    step: Step | None = None
    saved_step: Step | None = None
    is_busy: bool = False
    begun_ago_s: Seconds = 0.0


class Tasks(BaseModel):
    """How tasks ended: number, exit code and seconds of each; and how many can run side by side."""

    results: list[tuple[Number, ExitCode, Seconds]] = Field(default_factory=list, max_length=100_000)
    num_slots: int = Field(ge=1, le=4096)


class Exit(BaseModel):
    """How ranks of a node ended, and how far they were: how long ago, as the clock there may be another."""

    exit_code: ExitCode
    ago_s: Seconds = 0.0
    begun_ago_s: Seconds = 0.0
    words: str = Field(default="", max_length=MOST_WORDS)
    step: Step | None = None
    saved_step: Step | None = None
    stepped_ago_s: Seconds = 0.0


@router.post("/beat", response_model=answers.Heard)
def beat(request: Request, record: Attempt, said: Beat, after: BackgroundTasks) -> dict[str, str | None]:
    """An agent lives. Answers why it has to leave, where it has to; the controller hears of it after that."""
    server = server_of(request)
    if record.state is AttemptState.ENDED:
        raise HTTPException(410, f"{record.id} has ended")
    if server.desk.is_news(record, server.clock(), step=said.step, saved_step=said.saved_step, is_busy=said.is_busy):
        after.add_task(_alive, server, record, said)
    return {"leave": record.reason if record.state is AttemptState.LEAVING else None}


def _alive(server: Server, record: AttemptRecord, said: Beat) -> None:
    try:
        with server.database.begin() as connection:
            begun_s = server.clock() - said.begun_ago_s
            agents.alive(connection, record, said.step, said.saved_step, is_busy=said.is_busy, begun_s=begun_s)
    except SQLAlchemyError:
        server.desk.forget(record.id)  # so that its next beat is news again
        return
    server.wake()


@router.post("/exit")
def exit_of(request: Request, record: Attempt, member: int, said: Exit) -> dict[str, str]:
    """The last word of an agent; said again, it counts once."""
    server = server_of(request)
    if record.state is not AttemptState.ENDED:
        with server.database.begin() as connection:
            now_s = server.clock()
            how_far = {"step": said.step, "saved_step": said.saved_step, "stepped_s": now_s - said.stepped_ago_s}
            agents.exited(
                connection,
                record,
                member,
                said.exit_code,
                said.words,
                begun_s=now_s - said.begun_ago_s,
                over_s=now_s - said.ago_s,
                how_far=how_far,
            )
        server.desk.forget(record.id)
        server.wake()
    return {}


@router.post("/tasks", response_model=answers.Given)
def tasks(request: Request, record: Attempt, said: Tasks) -> dict[str, Any]:
    """Take results of tasks, and give out more."""
    server = server_of(request)
    results = [arrays.Result(*result) for result in said.results]
    with server.database.begin() as connection:
        records = Records(connection)
        worker = records.job(record.job)
        if worker is None or not worker.parent or record.state is AttemptState.ENDED:
            raise HTTPException(410, f"{record.id} is no worker of an array")
        now_s = server.clock()
        standing = arrays.report(
            connection,
            worker.parent,
            record.id,
            results,
            num_slots=said.num_slots,
            now_s=now_s,
            retries=worker.job.retries,
        )
        given: list[int] = []
        if record.state is not AttemptState.LEAVING:
            given = arrays.pull(connection, worker.parent, record.id, num_slots=said.num_slots, now_s=now_s)
        if not standing.num_left and results:
            records.tell("array", worker.parent, {"num_failed": standing.num_failed})
    if not standing.num_left:
        server.wake()
    return {"tasks": given, "num_left": standing.num_left}


@router.post("/file", response_model=answers.Taken)
async def append(
    request: Request, record: Attempt, path: str, offset: Annotated[int, Query(ge=0, lt=1 << 63)]
) -> dict[str, int]:
    """Take a piece of what ranks wrote, if it goes on where the file ends."""
    data = await request.body()
    job = await run_in_threadpool(_job_of, request, record)
    return {"size_bytes": await run_in_threadpool(agents.append, job.run, path, offset, data)}


@router.get("/snapshot/{snapshot}", response_class=Response, responses=_JSON)
def snapshot(request: Request, record: Attempt, snapshot: str) -> Response:
    """The manifest of the job's code."""
    if snapshot != _job_of(request, record).snapshot:
        raise HTTPException(403, "this is the code of another job")
    return Response(server_of(request).shelf.manifest(snapshot), media_type="application/json")


@router.get("/blob/{sha256}", response_class=Response, responses=_BYTES)
def blob(request: Request, record: Attempt, sha256: str) -> Response:
    """A content of the job's code."""
    shelf = server_of(request).shelf
    if sha256 not in shelf.hashes(_job_of(request, record).snapshot):
        raise HTTPException(403, "this content is not of the job's code")
    return Response(shelf.blob(sha256), media_type="application/octet-stream")


def _job_of(request: Request, record: AttemptRecord) -> JobRecord:
    with reading(server_of(request).database) as connection:
        job = Records(connection).job(record.job)
    if job is None:
        raise HTTPException(404, f"there is no job {record.job}")
    return job
