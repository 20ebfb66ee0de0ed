"""Where launchers of one run find each other: the first to lock a name leads and listens, the others follow it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import selectors
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivetrain.core.clock import mono_ns, wall_ns
from drivetrain.core.errors import UsageError
from drivetrain.core.units import NS_PER_S
from drivetrain.launch.line import Line, is_proof, new_secret, proof
from drivetrain.store import home

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MOST_KNOCKING = 256
_ANSWER_NS = 5 * NS_PER_S  # how long one that knocks has to prove that it knows the token


@dataclass(frozen=True, slots=True)
class Leading:
    """Where the leader of a name listens, as others read it."""

    host: str
    port: int
    token: str
    run: str


@contextmanager
def leading(name: str) -> Iterator[bool]:
    """Be the leader of a name during the block; gives False, and nothing else happens, when another one is.

    Raises: UsageError: it is no name for a file.
    """
    folder = _folder(name)
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            (folder / f"{name}.json").unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def leader_of(name: str) -> Leading | None:
    """Where the leader of a name listens; None when there is none, or it does not yet."""
    try:
        return Leading(**json.loads((_folder(name) / f"{name}.json").read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def own_address() -> str:
    """The address of this machine as others reach it; that of the loopback where it has no other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address of nobody: it only chooses the way, nothing is sent
            address: str = probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"
        return address


class Door:
    """Listens for followers, and lets in those who know the token.

    Attributes:
      host: the address it is reached at.
    """

    def __init__(
        self, name: str, run: str, selector: selectors.BaseSelector, on_join: Callable[[Line, dict[str, Any]], int]
    ) -> None:
        """Open it, and say where it is. For the leader of the name.

        Args:
          on_join: takes the line to a follower, and what it says of itself; gives it a number, 0 when it cannot
            stay. It must not use the line before it returns.
        """
        self.host = own_address()
        self._token = new_secret()
        self._run = run
        self._selector = selector
        self._on_join = on_join
        self._knocking: dict[Line, tuple[str, int]] = {}  # the number it must answer to, and until when
        self._listener = socket.create_server(("", 0))
        self._listener.setblocking(False)
        selector.register(self._listener, selectors.EVENT_READ, self._on_knock)
        _publish(name, Leading(self.host, self._listener.getsockname()[1], self._token, run))

    def keep_time(self, now_ns: int) -> None:
        """Turn away those that have not answered in time."""
        for line, (_, until_ns) in list(self._knocking.items()):
            if now_ns >= until_ns:
                self._forget(line)
                line.close()

    def close(self) -> None:
        """Close it; those that were let in stay connected."""
        for line in list(self._knocking):
            self._forget(line)
            line.close()
        self._selector.unregister(self._listener)
        self._listener.close()

    def _on_knock(self) -> None:
        try:
            end, _ = self._listener.accept()
        except OSError:
            return
        if len(self._knocking) >= _MOST_KNOCKING:
            end.close()
            return
        line, nonce = Line(end), new_secret()
        self._knocking[line] = (nonce, mono_ns() + _ANSWER_NS)
        self._selector.register(line, selectors.EVENT_READ, lambda: self._on_answer(line))
        line.send("hello", nonce=nonce)

    def _on_answer(self, line: Line) -> None:
        if line not in self._knocking:
            return
        messages = line.read()
        if messages == []:
            return
        asked, _ = self._knocking[line]
        self._forget(line)
        kind, said = messages[0] if messages else ("", {})
        own = said.get("nonce")
        if kind != "prove" or not isinstance(own, str) or not self._is_right(said, asked, own):
            line.close()
            return
        answer = proof(self._token, "leader", own, asked)
        said["ahead_ns"] = int(said["wall_ns"]) - wall_ns() if isinstance(said.get("wall_ns"), int) else 0
        number = self._on_join(line, said)
        line.send("welcome", proof=answer, run=self._run, number=number)
        if not number:
            line.close()

    def _is_right(self, said: dict[str, Any], asked: str, own: str) -> bool:
        return is_proof(said.get("proof"), self._token, "follower", asked, own)

    def _forget(self, line: Line) -> None:
        del self._knocking[line]
        with suppress(KeyError, ValueError):
            self._selector.unregister(line)


def _folder(name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise UsageError(f"--meet is {name!r}", hint="letters, digits, dots, - and _, such as --meet job-1234")
    return home() / "meet"


def _publish(name: str, leading: Leading) -> None:
    """Only its user may read it, from the first byte on."""
    path = _folder(name) / f"{name}.json"
    aside = path.with_name(f".{name}.{os.getpid()}.incomplete")
    with suppress(OSError):
        aside.unlink()
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        json.dump({"host": leading.host, "port": leading.port, "token": leading.token, "run": leading.run}, file)
    aside.replace(path)
