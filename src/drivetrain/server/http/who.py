"""Who asks: a person by a token, or an agent by that of its attempt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import HTTPException, Request
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from drivetrain.compute.controller.states import AttemptRecord
from drivetrain.server.database import Records, reading
from drivetrain.server.http.state import Server
from drivetrain.server.keys import is_attempt_token
from drivetrain.server.services import people
from drivetrain.server.services.people import Bearer, Person


def server_of(request: Request) -> Server:
    """The server that this request came to."""
    server: Server = request.app.state.server
    return server


async def person_of(request: Request) -> Person:
    """Who asks. Raises HTTPException: 401."""
    server, token = server_of(request), _token(request)
    found = server.bearers.known(token, server.clock())
    if found is None:
        found = await run_in_threadpool(_look_up, server, token)
    person, expires_s = found
    if person is None:
        raise HTTPException(401, "this token is not known; an operator can make one: drivetrain server --token USER")
    if expires_s <= server.clock():
        raise HTTPException(401, "this token has expired; an operator can make another: drivetrain server --token USER")
    return person


def _look_up(server: Server, token: str) -> Bearer:
    with reading(server.database) as connection:
        found = people.bearer(connection, token)
    server.bearers.remember(token, found, server.clock())
    return found


@contextmanager
def doing(request: Request, person: Person, action: str, subject: str, *, is_allowed: bool) -> Iterator[Connection]:
    """A transaction in which somebody does something, and by which it is written down as done.

    What is refused, before it or within, for whatever reason, is written down as refused. Raises HTTPException: 403.
    """
    server = server_of(request)
    try:
        if not is_allowed:
            raise HTTPException(403, f"{person.name}, a {person.role}, may not {action} {subject}")
        with server.database.begin() as connection:
            yield connection
            people.audit(connection, person.name, action, subject, was_allowed=True, now_s=server.clock())
    except Exception:
        write_refused(request, person, action, subject)
        raise


def write_refused(request: Request, person: Person, action: str, subject: str) -> None:
    """Write down that somebody tried what is refused."""
    server = server_of(request)
    with server.database.begin() as connection:
        people.audit(connection, person.name, action, subject, was_allowed=False, now_s=server.clock())


def allow(request: Request, person: Person, action: str, subject: str, *, is_allowed: bool) -> None:
    """Write down that somebody asks for what changes nothing. Raises HTTPException: 403."""
    with doing(request, person, action, subject, is_allowed=is_allowed):
        pass


def attempt_of(request: Request, attempt: str, member: int) -> AttemptRecord:
    """The attempt whose agent asks. Raises HTTPException: 401, or 404 where the attempt or the member is not known."""
    server = server_of(request)
    if not is_attempt_token(server.key, attempt, _token(request)):
        raise HTTPException(401, "this is not the token of that attempt")
    with reading(server.database) as connection:
        found = Records(connection).attempt(attempt)
    if found is None:
        raise HTTPException(404, f"there is no attempt {attempt}")
    if not 0 <= member < len(found.shares):
        raise HTTPException(404, f"{attempt} has no member {member}")
    return found


def _token(request: Request) -> str:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token:
        raise HTTPException(401, "a token is needed: set DRIVETRAIN_TOKEN", {"WWW-Authenticate": "Bearer"})
    return token.strip()
