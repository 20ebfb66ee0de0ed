"""The application: routes, limits, and errors as answers."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

import drivetrain
from drivetrain.core.errors import DataError, DrivetrainError, StoreError, UsageError
from drivetrain.server.client import NO_CODE, NoCodeError
from drivetrain.server.http import agents, code, fleet, foresee, history, jobs, people
from drivetrain.server.http.limits import Limits
from drivetrain.server.http.state import Server

_STATUS: tuple[tuple[type[DrivetrainError], int], ...] = (
    (NoCodeError, NO_CODE), (UsageError, 422), (DataError, 422), (StoreError, 503),
)  # fmt: skip


def make_app(server: Server) -> FastAPI:
    """The application of one server."""
    app = FastAPI(title="Drivetrain", version=drivetrain.__version__, docs_url=None, redoc_url=None)
    app.state.server = server
    for routes in (people, jobs, code, fleet, foresee, history, agents):
        app.include_router(routes.router)
    app.add_middleware(Limits)
    app.add_exception_handler(DrivetrainError, _refusal)
    for kind in (OperationalError, InterfaceError, PoolTimeoutError):
        app.add_exception_handler(kind, _away)

    async def health() -> dict[str, object]:  # in the loop's own thread, since there is nothing to wait for
        return {"is_up": True, "identity": server.identity}

    app.add_api_route("/health", health, methods=["GET"])
    return app


def _refusal(_: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, DrivetrainError)
    status = next((status for kind, status in _STATUS if isinstance(exc, kind)), 500)
    return JSONResponse({"detail": exc.message, "hint": exc.hint}, status)


def _away(_: Request, exc: Exception) -> JSONResponse:  # noqa: ARG001 - starlette's signature
    return JSONResponse({"detail": "the database does not answer"}, 503, {"Retry-After": "1"})
