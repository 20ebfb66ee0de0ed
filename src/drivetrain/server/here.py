"""Servers of this machine, for commands of the same user: where each is, and a token that is good for all."""

# ruff: noqa: PTH116, PTH119, PTH208

from __future__ import annotations

import os

from drivetrain.core.host import host_id
from drivetrain.core.plain_json import decoded
from drivetrain.core.variables import home, home_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

TOKEN_FILE = "token"  # noqa: S105 - a name of a file


class Here:
    """A server of this machine; no dataclass, since commands that only want to know where it is have no time for that.

    Attributes:
      identity: what it says at `/health`, to know it from others at its port.
      database: its URL, without a password.
      is_until_idle: whether a command started it, and it makes way for one that a person starts.
    """

    __slots__ = ("database", "host", "identity", "is_until_idle", "pid", "url")

    def __init__(
        self, url: str, identity: str, pid: int, host: str, database: str = "", is_until_idle: bool = False
    ) -> None:
        self.url, self.identity, self.pid, self.host, self.database = url, identity, pid, host, database
        self.is_until_idle = is_until_idle


def server_folder() -> Path:
    """What a server keeps, in the store's root."""
    return home() / "server"


def server_folder_text() -> str:
    """Likewise, for commands that have no time for `pathlib`."""
    return f"{home_text()}/server"


def servers(folder: Path | str) -> list[Here]:
    """Those that run on this machine, the newest first; what servers that were killed left is not among them."""
    found = []
    for path in files(folder):
        try:
            here, made_s = read(path), os.stat(path).st_mtime
        except (OSError, ValueError, TypeError):
            continue
        if here.host == host_id() and lives(here.pid):
            found.append((made_s, here))
    return [here for _, here in sorted(found, key=lambda each: -each[0])]


def is_coming(folder: Path | str) -> bool:
    """Whether a server that a person started is on its way."""
    for path in files(folder, ".coming"):
        try:
            with open(path, encoding="utf-8") as file:
                host = file.read()
            pid = int(os.path.basename(path).partition(".")[0])
        except (OSError, ValueError):
            continue
        if host == host_id() and lives(pid):
            return True
    return False


def is_served(folder: Path | str) -> bool:
    """Whether there is a server that a person started, or will be."""
    return is_coming(folder) or any(not server.is_until_idle for server in servers(folder))


def read_token(folder: Path | str) -> str:
    """That of this machine's commands; empty where there is none."""
    try:
        with open(f"{folder}/{TOKEN_FILE}", encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def files(folder: Path | str, ending: str = ".json") -> list[str]:
    """Where servers say that they are there, whether they live or not."""
    try:
        return [f"{folder}/here/{name}" for name in os.listdir(f"{folder}/here") if name.endswith(ending)]
    except OSError:
        return []


def read(path: str) -> Here:
    """What a server says there. Raises: OSError, ValueError, TypeError."""
    with open(path, "rb") as file:
        return Here(**decoded(file.read()))


def lives(pid: int) -> bool:
    """Whether a process of ours is there."""
    try:
        os.kill(pid, 0)
    except OSError:  # it is not there, or is not ours
        return False
    return True
