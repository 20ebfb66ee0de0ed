"""Routes for the code that jobs travel with."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from starlette.concurrency import run_in_threadpool

from drivetrain.compute.snapshot import decode_manifest
from drivetrain.compute.snapshot.batches import decode_batch
from drivetrain.compute.snapshot.manifest import MOST_FILES
from drivetrain.server.database import reading
from drivetrain.server.http import answers
from drivetrain.server.http.who import person_of, server_of
from drivetrain.server.services import snapshots
from drivetrain.server.services.people import Person

router = APIRouter(prefix="/api", tags=["code"])
Who = Annotated[Person, Depends(person_of)]


@router.get("/snapshots/{snapshot}", response_model=answers.IsThere)
def has_snapshot(request: Request, who: Who, snapshot: str) -> dict[str, bool]:  # noqa: ARG001
    """Whether it has been sent."""
    server = server_of(request)
    with reading(server.database) as connection:
        return {"is_there": snapshots.has(connection, snapshot)}


@router.post("/blobs/missing")
def missing(request: Request, who: Who, hashes: list[str]) -> list[str]:
    """Which of these contents have to be sent."""
    _may_send(who)
    if len(hashes) > MOST_FILES:
        raise HTTPException(413, f"{len(hashes)} hashes at once, expected at most {MOST_FILES}")
    return server_of(request).shelf.missing(hashes)


@router.put("/blobs/{sha256}", status_code=204)
async def put_blob(request: Request, who: Who, sha256: str) -> None:
    """Take a content."""
    _may_send(who)
    content = await request.body()
    await run_in_threadpool(server_of(request).shelf.put_blob, sha256, content)


@router.post("/blobs", status_code=204)
async def put_blobs(request: Request, who: Who) -> None:
    """Take many small contents: of each its hash, its size in eight bytes (big-endian), and itself."""
    _may_send(who)
    shelf, data = server_of(request).shelf, await request.body()

    def put() -> None:
        for sha256, content in decode_batch(data):
            shelf.put_blob(sha256, content)

    await run_in_threadpool(put)


@router.post("/snapshots", response_model=answers.Sent)
async def put_snapshot(request: Request, who: Who) -> dict[str, str]:
    """Take a manifest, when all its contents are there."""
    _may_send(who)
    server = server_of(request)
    data = await request.body()

    def put() -> str:
        manifest = decode_manifest(data)
        server.shelf.put(manifest)
        with server.database.begin() as connection:
            if not snapshots.has(connection, manifest.id):
                snapshots.add(connection, manifest, server.clock())
        return manifest.id

    return {"id": await run_in_threadpool(put)}


def _may_send(who: Person) -> None:
    if not who.may_submit:
        raise HTTPException(403, f"{who.name}, a {who.role}, may not send code")
