"""The token by which commands of the server's user on its machine may do all: made as it begins, and renewed."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from drivetrain.server import here
from drivetrain.server.announced import write_token
from drivetrain.server.database import in_turn
from drivetrain.server.repeating import repeating
from drivetrain.server.services import people
from drivetrain.server.services.people import Role

LASTS_S = 30 * 86400.0
_EVERY_S = 600.0


def see_to_token(database: Engine, folder: Path, now_s: float) -> None:
    """As a server begins: the user is an operator, and has a token that is good for half of its time at least."""
    user = getpass.getuser()
    with in_turn(database) as connection:
        people.drop_expired(connection, now_s)
        known = people.person(connection, user)
        if known is None or known.role is not Role.OPERATOR:
            people.set_user(connection, user, Role.OPERATOR, () if known is None else known.teams)
        token = here.read_token(folder)
        is_good = token and people.is_good(connection, token, for_s=LASTS_S / 2, now_s=now_s)
        new = "" if is_good else _new(connection, user, now_s)
    if new:
        write_token(folder, new)


def keeping_token(database: Engine, folder: Path, clock: Callable[[], float]) -> AbstractContextManager[None]:
    """While the block runs, now and then: a server may serve for longer than a token is good."""

    def once() -> None:
        with suppress(SQLAlchemyError, OSError):
            renew(database, folder, clock())

    return repeating(once, every_s=_EVERY_S, name="own token")


def renew(database: Engine, folder: Path, now_s: float) -> None:
    """Once: another in place of one that is soon over. One that was taken back stays so until a server begins."""
    with in_turn(database) as connection:
        whose, expires_s = people.bearer(connection, here.read_token(folder))
        if whose is None or expires_s > now_s + LASTS_S / 2:
            return
        new = _new(connection, whose.name, now_s)
    write_token(folder, new)  # the one before is good meanwhile


def _new(connection: Connection, user: str, now_s: float) -> str:
    label = f"of {socket.gethostname()}"[:64]
    return people.give_token(connection, user, label, lasts_s=LASTS_S, now_s=now_s)
