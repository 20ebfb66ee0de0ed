"""Which server's controller works: one of all at a time, however the others ended.

The lock is the system's (of a file, or of a session with PostgreSQL), so that it is free as soon as its holder is
gone. Its holder writes a token into the database, and each later transaction asks whether the token is still its own:
a holder that slept through its loss changes nothing.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select, text

from drivetrain.server.database.tables import locks

_NAME = "controller"
_NUMBER = 0x0D71_7E7A  # of PostgreSQL's advisory lock; any, but the same everywhere

_HOLDER = select(locks.c.holder).where(locks.c.name == _NAME)


class ControllerLock:
    """Taken once; let go of by `close`."""

    def __init__(self, database: Engine, folder: Path) -> None:
        self._database, self._file = database, folder / "controller.lock"
        self._held: Any = None
        self.token = ""

    def take(self) -> bool:
        """Whether it is ours now; it may be asked again."""
        if self._held is None:
            self._held = self._take()
            if self._held is not None:
                self.token = secrets.token_hex(16)
                with self._database.begin() as connection:
                    connection.execute(delete(locks).where(locks.c.name == _NAME))
                    connection.execute(insert(locks), {"name": _NAME, "holder": self.token})
        return self._held is not None

    def is_ours(self, connection: Connection, *, writes: bool = False) -> bool:
        """Whether nobody took it since; in a transaction that writes, nobody takes it until that ends."""
        is_locked = writes and connection.dialect.name == "postgresql"
        return connection.scalar(_HOLDER.with_for_update() if is_locked else _HOLDER) == self.token

    def close(self) -> None:
        """Let go of it."""
        held, self._held = self._held, None
        if isinstance(held, Connection):
            held.invalidate()
            held.close()
        elif held is not None:
            os.close(held)

    def _take(self) -> Connection | int | None:
        if self._database.dialect.name == "postgresql":
            connection = self._database.connect()
            taken = connection.scalar(text("SELECT pg_try_advisory_lock(:number)"), {"number": _NUMBER})
            connection.commit()
            if taken:
                return connection
            connection.close()
            return None
        self._file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor
