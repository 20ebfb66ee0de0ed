"""A server of this machine says that it is there, see `here`."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from drivetrain.core.errors import StoreError, UsageError
from drivetrain.core.host import host_id
from drivetrain.server import here
from drivetrain.store import publish_bytes

_END_S = 30.0


@contextmanager
def announced(folder: Path, url: str, identity: str, database: str, *, is_until_idle: bool) -> Iterator[None]:
    """While the block runs, commands of this machine find the server."""
    path = folder / "here" / f"{os.getpid()}.json"
    _remove_dead(folder)
    said = {"url": url, "identity": identity, "pid": os.getpid(), "host": host_id(), "database": database}
    said["is_until_idle"] = is_until_idle
    publish_bytes(path, json.dumps(said).encode())
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def coming(folder: Path) -> Iterator[Callable[[], None]]:
    """Until what is given is called, no command of this machine starts a server of its own: there will be one."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "here" / f"{os.getpid()}.coming"
    publish_bytes(path, host_id().encode())
    try:
        yield lambda: path.unlink(missing_ok=True)
    finally:
        path.unlink(missing_ok=True)


def end_until_idle(folder: Path, database: str) -> None:
    """Servers of a database that commands started make way. Raises: StoreError: one does not end."""
    alike = [server for server in here.servers(folder) if server.database == database]
    end([server.pid for server in alike if server.is_until_idle], folder)


def end(pids: Collection[int], folder: Path) -> None:
    """End servers of this machine, and wait until they have. Raises: StoreError: one does not."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    until_s = time.monotonic() + _END_S
    while left := [server.pid for server in here.servers(folder) if server.pid in pids]:
        if time.monotonic() > until_s:
            raise StoreError(f"the server of this machine, process {left[0]}, does not end")
        time.sleep(0.02)


def refuse_another_database(folder: Path, database: str) -> None:
    """Two servers of one store would give its nodes away twice. Raises: UsageError: one lives that has another."""
    for other in here.servers(folder):
        if other.database not in ("", database):
            raise UsageError(
                f"a server of this store runs with another database, {other.database}: {other.url}",
                hint="end it with drivetrain server --stop, use its database, or have another DRIVETRAIN_HOME",
            )


def write_token(folder: Path, token: str) -> None:
    """Keep it, for the user of this machine alone."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = folder / f".{here.TOKEN_FILE}.{os.getpid()}"
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token)
    aside.replace(folder / here.TOKEN_FILE)


def _remove_dead(folder: Path) -> None:
    for path in here.files(folder):
        with suppress(OSError, ValueError, TypeError):
            server = here.read(path)
            if server.host == host_id() and not here.lives(server.pid):
                Path(path).unlink()
