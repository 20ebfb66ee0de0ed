"""Users, teams, tokens, roles, and who may do what."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from drivetrain.core.errors import UsageError
from drivetrain.server.database import tables
from drivetrain.server.keys import new_token, token_hash

LONGEST_S = 366 * 86400.0
_REMEMBERED_S = 90 * 86400.0
KNOWN_FOR_S = 1.0
_MOST_KNOWN = 10_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}")


class Role(StrEnum):
    """What somebody may do: look; submit and stop what is their own; all."""

    VIEWER = "viewer"
    MEMBER = "member"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks. Attributes: teams: whose quota they may use, the first by default."""

    name: str
    role: Role
    teams: tuple[str, ...]

    @property
    def may_submit(self) -> bool:
        """Whether they may submit jobs."""
        return self.role is not Role.VIEWER

    def may_change(self, owner: str) -> bool:
        """Whether they may stop and change what is somebody's."""
        return self.role is Role.OPERATOR or (self.role is Role.MEMBER and self.name == owner)


Bearer = tuple[Person | None, float]


def set_user(connection: Connection, name: str, role: Role, teams: tuple[str, ...]) -> None:
    """Write a user, new or not. Raises: UsageError: a name cannot be one."""
    for word in (name, *teams):
        if not _NAME.fullmatch(word):
            raise UsageError(f"{word[:70]!r} is no name: expected up to 63 letters, digits, '.', '_', '@' and '-'")
    users, members = tables.users, tables.members
    if len(teams) > len(set(teams)):
        raise UsageError(f"a team is named twice: {', '.join(teams)}")
    is_there = connection.scalar(select(users.c.name).where(users.c.name == name)) is not None
    if is_there:
        connection.execute(users.update().where(users.c.name == name).values(role=role.value))
    else:
        connection.execute(insert(users), {"name": name, "role": role.value})
    connection.execute(delete(members).where(members.c.user == name))
    if teams:
        connection.execute(insert(members), [{"user": name, "team": t, "place": n} for n, t in enumerate(teams)])


def give_token(connection: Connection, user: str, label: str, *, lasts_s: float, now_s: float) -> str:
    """A new token of a user; only its hash is kept. Raises: UsageError: there is no such user, or it lasts too long."""
    if not 0 < lasts_s <= LONGEST_S:
        raise UsageError(f"a token cannot last {lasts_s:g} s, expected at most {LONGEST_S / 86400:g} days")
    if person(connection, user) is None:
        raise UsageError(f"there is no user {user}")
    token = new_token()
    row = {"hash": token_hash(token), "user": user, "label": label, "made_s": now_s, "expires_s": now_s + lasts_s}
    connection.execute(insert(tables.tokens), row)
    return token


def drop_tokens(connection: Connection, user: str) -> int:
    """Take back all that a user has; how many there were. Raises: UsageError: there is no such user."""
    if person(connection, user) is None:
        raise UsageError(f"there is no user {user[:70]!r}", hint="drivetrain users lists them")
    return connection.execute(delete(tables.tokens).where(tables.tokens.c.user == user)).rowcount


def listed(connection: Connection, now_s: float) -> list[dict[str, Any]]:
    """All users by name, with their role and teams, and labels and ends of the tokens that are good."""
    users, members, tokens = tables.users, tables.members, tables.tokens
    found: dict[str, dict[str, Any]] = {
        name: {"name": name, "role": role, "teams": [], "tokens": []}
        for name, role in connection.execute(select(users.c.name, users.c.role).order_by(users.c.name))
    }
    for user, team in connection.execute(select(members.c.user, members.c.team).order_by(members.c.place)):
        found[user]["teams"].append(team)
    good = select(tokens.c.user, tokens.c.label, tokens.c.expires_s).where(tokens.c.expires_s > now_s)
    for user, label, expires_s in connection.execute(good.order_by(tokens.c.expires_s)):
        found[user]["tokens"].append({"label": label, "expires_s": expires_s})
    return list(found.values())


def drop_expired(connection: Connection, now_s: float) -> None:
    """Forget tokens that have been expired for so long that nobody asks any more why they do not work."""
    table = tables.tokens
    connection.execute(delete(table).where(table.c.expires_s < now_s - _REMEMBERED_S))


def person(connection: Connection, name: str) -> Person | None:
    """A user by name."""
    role = connection.scalar(select(tables.users.c.role).where(tables.users.c.name == name))
    if role is None:
        return None
    members = tables.members
    teams = connection.scalars(select(members.c.team).where(members.c.user == name).order_by(members.c.place))
    return Person(name, Role(role), tuple(teams))


def bearer(connection: Connection, token: str) -> Bearer:
    """Whose token it is, if anybody's, and when it expires."""
    table = tables.tokens
    row = connection.execute(
        select(table.c.user, table.c.expires_s).where(table.c.hash == token_hash(token))
    ).one_or_none()
    if row is None:
        return None, 0.0
    return person(connection, row.user), row.expires_s


class Bearers:
    """Whose tokens were asked with just now: who asks all the time is not looked up each time.

    A token that is taken back, or whose user gets another role, counts as it did for up to `KNOWN_FOR_S`.
    """

    def __init__(self) -> None:
        self._found: dict[str, tuple[float, Bearer]] = {}

    def known(self, token: str, now_s: float) -> Bearer | None:
        """What was found out lately; None where it has to be found out."""
        at_s, found = self._found.get(token_hash(token), (-math.inf, None))
        return found if abs(now_s - at_s) < KNOWN_FOR_S else None

    def remember(self, token: str, found: Bearer, now_s: float) -> None:
        """It is somebody's; what is nobody's is not kept, or whoever tries many would fill the memory."""
        if found[0] is None:
            return
        if len(self._found) >= _MOST_KNOWN:
            self._found.clear()
        self._found[token_hash(token)] = now_s, found


def is_good(connection: Connection, token: str, *, for_s: float, now_s: float) -> bool:
    """Whether a token will still be good after so long."""
    table = tables.tokens
    expires_s = connection.scalar(select(table.c.expires_s).where(table.c.hash == token_hash(token)))
    return expires_s is not None and expires_s > now_s + for_s


def audit(connection: Connection, user: str, action: str, subject: str, *, was_allowed: bool, now_s: float) -> None:
    """Write down who did what, or tried to: a subject may be any text, so what a terminal would obey is spelled out."""
    shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in subject[:80])[:80]
    row = {"at_s": now_s, "user": user, "action": action[:24], "subject": shown, "was_allowed": was_allowed}
    connection.execute(insert(tables.audit), row)


def audited(connection: Connection, user: str, limit: int) -> list[dict[str, Any]]:
    """Who did what, or tried to; the newest first, of one user where one is named."""
    table = tables.audit
    query = select(table).order_by(table.c.seq.desc()).limit(limit)
    return [dict(row) for row in connection.execute(query.where(table.c.user == user) if user else query).mappings()]
