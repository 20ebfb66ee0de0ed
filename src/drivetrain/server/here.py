"""Servers of this machine, for commands of the same user: where each is, and a token that is good for all."""

# ruff: noqa: PTH108, PTH116, PTH208

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress

from drivetrain.core.host import host_id
from drivetrain.core.variables import home, home_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TOKEN_FILE = "token"  # noqa: S105 - a name of a file


class Here:
    """A server of this machine; no dataclass, since commands that only want to know where it is have no time for that.

    Attributes:
      identity: what it says at `/health`, to know it from others at its port.
      database: its URL, without a password.
    """

    __slots__ = ("database", "host", "identity", "pid", "url")

    def __init__(self, url: str, identity: str, pid: int, host: str, database: str = "") -> None:
        self.url, self.identity, self.pid, self.host, self.database = url, identity, pid, host, database


def server_folder() -> Path:
    """What a server keeps, in the store's root."""
    return home() / "server"


def server_folder_text() -> str:
    """Likewise, for commands that have no time for `pathlib`."""
    return f"{home_text()}/server"


def servers(folder: Path | str) -> list[Here]:
    """Those that run on this machine, the newest first; what servers that were killed left is not among them."""
    found = []
    for path in _files(folder):
        try:
            here, made_s = _read(path), os.stat(path).st_mtime
        except (OSError, ValueError, TypeError):
            continue
        if here.host == host_id() and _lives(here.pid):
            found.append((made_s, here))
    return [here for _, here in sorted(found, key=lambda each: -each[0])]


@contextmanager
def announced(folder: Path, url: str, identity: str, database: str) -> Iterator[None]:
    """While the block runs, commands of this machine find the server."""
    from drivetrain.store import publish_bytes

    path = folder / "here" / f"{os.getpid()}.json"
    _remove_dead(folder)
    said = {"url": url, "identity": identity, "pid": os.getpid(), "host": host_id(), "database": database}
    publish_bytes(path, json.dumps(said).encode())
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def refuse_another_database(folder: Path, database: str) -> None:
    """Two servers of one store would give its nodes away twice. Raises: UsageError: one lives that has another."""
    for other in servers(folder):
        if other.database not in ("", database):
            from drivetrain.core.errors import UsageError

            raise UsageError(
                f"a server of this store runs with another database, {other.database}: {other.url}",
                hint="end it with drivetrain server --stop, use its database, or have another DRIVETRAIN_HOME",
            )


def read_token(folder: Path | str) -> str:
    """That of this machine's commands; empty where there is none."""
    try:
        with open(f"{folder}/{_TOKEN_FILE}", encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def write_token(folder: Path, token: str) -> None:
    """Keep it, for the user of this machine alone."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = folder / f".{_TOKEN_FILE}.{os.getpid()}"
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token)
    aside.replace(folder / _TOKEN_FILE)


def _remove_dead(folder: Path) -> None:
    for path in _files(folder):
        with suppress(OSError, ValueError, TypeError):
            here = _read(path)
            if here.host == host_id() and not _lives(here.pid):
                os.unlink(path)


def _files(folder: Path | str) -> list[str]:
    try:
        return [f"{folder}/here/{name}" for name in os.listdir(f"{folder}/here") if name.endswith(".json")]
    except OSError:
        return []


def _read(path: str) -> Here:
    with open(path, "rb") as file:
        return Here(**json.loads(file.read()))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:  # it is not there, or is not ours
        return False
    return True
