"""Servers of this machine, for commands of the same user: where each is, and a token that is good for all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from drivetrain.core.host import host_id
from drivetrain.core.variables import home

_TOKEN_FILE = "token"  # noqa: S105 - a name of a file


class Here:
    """A server of this machine; no dataclass, since commands that only want to know where it is have no time for that.

    Attributes:
      identity: what it says at `/health`, to know it from others at its port.
    """

    __slots__ = ("host", "identity", "pid", "url")

    def __init__(self, url: str, identity: str, pid: int, host: str) -> None:
        self.url, self.identity, self.pid, self.host = url, identity, pid, host


def server_folder() -> Path:
    """What a server keeps, in the store's root."""
    return home() / "server"


def servers(folder: Path) -> list[Here]:
    """Those that run on this machine, the newest first; what servers that were killed left is not among them."""
    found = []
    for path in (folder / "here").glob("*.json"):
        try:
            here, made_s = Here(**json.loads(path.read_bytes())), path.stat().st_mtime
        except (OSError, ValueError, TypeError):
            continue
        if here.host == host_id() and _lives(here.pid):
            found.append((made_s, here))
    return [here for _, here in sorted(found, key=lambda each: -each[0])]


@contextmanager
def announced(folder: Path, url: str, identity: str) -> Iterator[None]:
    """While the block runs, commands of this machine find the server."""
    from drivetrain.store import publish_bytes

    path = folder / "here" / f"{os.getpid()}.json"
    _remove_dead(folder)
    said = {"url": url, "identity": identity, "pid": os.getpid(), "host": host_id()}
    publish_bytes(path, json.dumps(said).encode())
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def read_token(folder: Path) -> str:
    """That of this machine's commands; empty where there is none."""
    try:
        return (folder / _TOKEN_FILE).read_text()
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
    for path in (folder / "here").glob("*.json"):
        with suppress(OSError, ValueError, TypeError):
            here = Here(**json.loads(path.read_bytes()))
            if here.host == host_id() and not _lives(here.pid):
                path.unlink()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:  # it is not there, or is not ours
        return False
    return True
