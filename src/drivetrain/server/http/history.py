"""Route for all that ever happened, as `drivetrain simulate` reads it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from drivetrain.server.database import reading
from drivetrain.server.http.who import person_of, server_of
from drivetrain.server.services import history
from drivetrain.server.services.people import Person

router = APIRouter(prefix="/api", tags=["history"])
Who = Annotated[Person, Depends(person_of)]


@router.get("/history", response_class=Response, responses={200: {"content": {"application/x-ndjson": {}}}})
def read(
    request: Request,
    who: Who,  # noqa: ARG001 - anybody with a token may look
    after: Annotated[int, Query(ge=0, lt=1 << 63)] = 0,
    limit: Annotated[int, Query(ge=1, le=5000)] = 2000,
) -> Response:
    """Events after a number, a JSON object a line; nothing where there are no more."""
    with reading(server_of(request).database) as connection:
        lines = history.lines(connection, after=after, limit=limit)
    return Response(b"".join(lines), media_type="application/x-ndjson")
