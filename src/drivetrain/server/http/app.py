"""The application: routes, limits, and errors as answers."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from sqlalchemy.exc import DataError as NotKept
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.requests import ClientDisconnect

import drivetrain
from drivetrain.core.errors import DataError, DrivetrainError, StoreError, UsageError
from drivetrain.server.client import NO_CODE, NoCodeError
from drivetrain.server.http import agents, code, fleet, foresee, history, jobs, people
from drivetrain.server.http.answers import Health, Refusal
from drivetrain.server.http.limits import Limits
from drivetrain.server.http.state import Server

_STATUS: tuple[tuple[type[DrivetrainError], int], ...] = (
    (NoCodeError, NO_CODE), (UsageError, 422), (DataError, 422), (StoreError, 503),
)  # fmt: skip
_MOST_NAMED = 5
_REFUSALS: dict[int | str, dict[str, Any]] = {status: {"model": Refusal} for status in (401, 403, 404, 422, 429, 503)}


def make_app(server: Server) -> FastAPI:
    """The application of one server."""
    app = FastAPI(title="Drivetrain", version=drivetrain.__version__, docs_url=None, redoc_url=None)
    app.state.server = server
    token = Security(HTTPBearer(auto_error=False))  # `who.py` looks at it; here it is for who reads the description
    for routes in (people, jobs, code, fleet, foresee, history, agents):
        app.include_router(routes.router, dependencies=[token], responses=_REFUSALS)
    app.add_middleware(Limits)
    app.add_exception_handler(DrivetrainError, _refusal)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(ClientDisconnect, _cut_off)
    for none in (NotKept, UnicodeEncodeError, OverflowError):
        app.add_exception_handler(none, _not_kept)
    for kind in (OperationalError, InterfaceError, PoolTimeoutError):
        app.add_exception_handler(kind, _away)

    async def health() -> Health:  # in the loop's own thread, since there is nothing to wait for
        """Whether a server is there, and which."""
        return Health(is_up=True, identity=server.identity)

    app.add_api_route("/health", health, methods=["GET"])
    return app


def _refusal(_: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, DrivetrainError)
    status = next((status for kind, status in _STATUS if isinstance(exc, kind)), 500)
    return JSONResponse({"detail": exc.message, "hint": exc.hint}, status)


def _malformed(_: Request, exc: Exception) -> JSONResponse:
    """What is wrong and where, without what was sent: that may be large, a secret, or nothing that JSON knows."""
    assert isinstance(exc, RequestValidationError)
    found = [f"{'.'.join(map(str, error['loc']))}: {error['msg']}"[:300] for error in exc.errors()[:_MOST_NAMED]]
    return JSONResponse({"detail": "; ".join(found)}, 422)


def _cut_off(_: Request, exc: Exception) -> JSONResponse:  # noqa: ARG001 - starlette's signature
    """Whoever went away in the middle of a request hears nothing more; nor does the log, which anybody could fill."""
    return JSONResponse({"detail": "the request was cut off"}, 400)


def _not_kept(_: Request, exc: Exception) -> JSONResponse:  # noqa: ARG001 - starlette's signature
    """What no database keeps as it is: zero bytes and half characters in texts, names and numbers that are too long."""
    return JSONResponse({"detail": "a text or a number in this request is none that can be kept"}, 422)


def _away(_: Request, exc: Exception) -> JSONResponse:
    said = str(getattr(exc, "orig", ""))
    is_full = "disk is full" in said or "No space left" in said
    why = "no space is left where the database is" if is_full else "the database does not answer"
    return JSONResponse({"detail": why}, 503, {"Retry-After": "1"})
