"""The fleet's books, kept up to date while a server runs, so that questions about it need not read all of history."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from drivetrain.server.repeating import repeating
from drivetrain.server.services.fleet import FleetMemory, close_page

_EVERY_S = 10.0
_MOST_PAGES = 20
"""At once: a server that ends waits for them, and a history that was never closed has thousands."""


def bookkeeping(database: Engine, clock: Callable[[], float]) -> AbstractContextManager[None]:
    """While the block runs, now and then."""
    memory = FleetMemory()

    def once() -> None:
        with suppress(SQLAlchemyError, OSError):
            for _ in range(_MOST_PAGES):
                if not close_page(database, clock(), memory):
                    break

    return repeating(once, every_s=_EVERY_S, name="bookkeeping")
