"""Routes for users and tokens."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from drivetrain.server.database import reading
from drivetrain.server.http import answers
from drivetrain.server.http.bodies import Body
from drivetrain.server.http.who import allow, doing, person_of, server_of
from drivetrain.server.services import people
from drivetrain.server.services.people import Person, Role

router = APIRouter(prefix="/api", tags=["people"])
Who = Annotated[Person, Depends(person_of)]


class User(Body):
    """Who somebody is."""

    role: Role = Role.MEMBER
    teams: list[str] = Field(default_factory=list, max_length=100)


class NewToken(Body):
    """What a token is for, and how long."""

    label: str = Field(default="", max_length=64)
    lasts_s: float = 30 * 86400.0


@router.get("/me", response_model=answers.Who)
def me(who: Who) -> dict[str, Any]:
    """Who asks."""
    return {"name": who.name, "role": who.role, "teams": who.teams}


@router.get("/users", response_model=list[answers.UserKept])
def list_users(request: Request, who: Who) -> list[dict[str, Any]]:
    """All users, and how long their tokens are good; for operators."""
    allow(request, who, "list", "users", is_allowed=who.role is Role.OPERATOR)
    server = server_of(request)
    with reading(server.database) as connection:
        return people.listed(connection, server.clock())


@router.put("/users/{name}", status_code=204)
def set_user(request: Request, who: Who, name: str, user: User) -> None:
    """Write a user, new or not."""
    with doing(request, who, "set user", name, is_allowed=who.role is Role.OPERATOR) as connection:
        people.set_user(connection, name, user.role, tuple(user.teams))


@router.post("/users/{name}/tokens", status_code=201, response_model=answers.Token)
def give_token(request: Request, who: Who, name: str, wanted: NewToken) -> dict[str, str]:
    """Make a token; it is shown this once."""
    is_allowed, now_s = who.role is Role.OPERATOR or who.name == name, server_of(request).clock()
    with doing(request, who, "make a token for", name, is_allowed=is_allowed) as connection:
        token = people.give_token(connection, name, wanted.label, lasts_s=wanted.lasts_s, now_s=now_s)
    return {"token": token}


@router.delete("/users/{name}/tokens", response_model=answers.Dropped)
def drop_tokens(request: Request, who: Who, name: str) -> dict[str, int]:
    """Take back all tokens of a user; each may be good for another second. Answers how many there were."""
    is_allowed = who.role is Role.OPERATOR or who.name == name
    with doing(request, who, "take back tokens", name, is_allowed=is_allowed) as connection:
        return {"num_dropped": people.drop_tokens(connection, name)}


@router.get("/audit", response_model=list[answers.Audited])
def read_audit(
    request: Request, who: Who, user: str = "", limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> list[dict[str, Any]]:
    """Who did what, or tried to; the newest first. For operators."""
    allow(request, who, "read", "the audit", is_allowed=who.role is Role.OPERATOR)
    with reading(server_of(request).database) as connection:
        return people.audited(connection, user, limit)
