"""What an agent says to the server."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from drivetrain.compute.agent.assignment import Assignment, read_assignment
from drivetrain.core.errors import DataError, StoreError
from drivetrain.core.http import Connection

CA_FILE = "DRIVETRAIN_CA"
MOST_WORDS = 1000
GONE = 404, 410
"""Answers to the agent of an attempt that is over, or was never heard of."""
_PATIENCE_S = 10.0


class ServerAwayError(StoreError):
    """It does not answer, or cannot at the moment: what was asked can be asked again."""


class ServerRefusedError(StoreError):
    """It answered, and says no. Attributes: status: of the answer."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class AgentClient:
    """Requests of one attempt's agent, one at a time; not for several threads.

    Args:
      find: gives the server's URL, whenever there is no connection: a server that comes back may be elsewhere.
    """

    def __init__(self, find: Callable[[], str], token: str, attempt: str, member: int) -> None:
        self._find = find
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._base = f"/agent/{attempt}/{member}"
        self._connection: Connection | None = None

    @classmethod
    def of(cls, folder: Path, assignment: Assignment, member: int) -> AgentClient:
        """Of a member. What an agent was told, where the server is among it, is put away when its attempt is over."""

        def find() -> str:
            try:
                if folder.is_dir():
                    return read_assignment(folder).server
            except (DataError, OSError) as exc:
                raise ServerAwayError(f"nobody says where the server is: {exc}") from exc
            raise ServerRefusedError(f"{assignment.attempt} is over", GONE[0])

        return cls(find, assignment.token, assignment.attempt, member)

    def begin_beat(self) -> None:
        """Send a first beat, which then waits less; what fails here fails again there."""
        with suppress(OSError, StoreError):
            self._connection = self._connect()
            self._connection.begin("POST", self._base + "/beat", self._headers, _beat(None, None))

    def beat(
        self, *, step: int | None, saved_step: int | None, is_busy: bool = False, begun_ago_s: float = 0.0
    ) -> str | None:
        """Say how far it is, and whether it uses its devices; why it has to leave, where it has to.

        Args:
          begun_ago_s: how long ago it began, since the server may not have heard, or not have kept, its first beat.
        """
        said = _beat(step, saved_step, is_busy=is_busy, begun_ago_s=begun_ago_s)
        return self._ask("POST", "/beat", said)["leave"]  # type: ignore[no-any-return]

    def exited(
        self,
        exit_code: int,
        words: str = "",
        *,
        ago_s: float = 0.0,
        begun_ago_s: float = 0.0,
        step: int | None = None,
        saved_step: int | None = None,
        stepped_ago_s: float = 0.0,
    ) -> None:
        """The last word.

        Args:
          words: what went wrong, for people.
          ago_s: how long ago ranks ended; begun_ago_s, stepped_ago_s: how long ago they began, and came to `step`.
        """
        said = {"exit_code": exit_code, "words": words[:MOST_WORDS], "ago_s": ago_s, "begun_ago_s": begun_ago_s}
        how_far = {"step": step, "saved_step": saved_step, "stepped_ago_s": stepped_ago_s}
        self._ask("POST", "/exit", msgspec.json.encode(said | how_far))

    def tasks(self, results: list[tuple[int, int, float]], num_slots: int) -> tuple[list[int], int]:
        """Say how tasks ended, and take more: (tasks, how many of the array have no result yet)."""
        answer = self._ask("POST", "/tasks", msgspec.json.encode({"results": results, "num_slots": num_slots}))
        return answer["tasks"], answer["num_left"]

    def snapshot(self, snapshot: str) -> bytes:
        """A manifest."""
        return self._send("GET", f"/snapshot/{snapshot}")

    def blob(self, sha256: str) -> bytes:
        """A content."""
        return self._send("GET", f"/blob/{sha256}")

    def append(self, path: str, offset: int, data: bytes) -> int:
        """Send a piece of a file of the run; how much of the file the server has now."""
        from urllib.parse import quote

        return int(self._ask("POST", f"/file?path={quote(path, safe='')}&offset={offset}", data)["size_bytes"])

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> Connection:
        scheme, _, netloc = self._find().partition("://")
        netloc = netloc.partition("/")[0]
        if scheme.lower() != "https":
            return Connection(netloc, timeout_s=_PATIENCE_S)
        import ssl

        context = ssl.create_default_context(cafile=os.environ.get(CA_FILE) or None)
        return Connection(netloc, timeout_s=_PATIENCE_S, context=context)

    def _ask(self, method: str, path: str, body: bytes = b"") -> Any:
        return msgspec.json.decode(self._send(method, path, body))

    def _send(self, method: str, path: str, body: bytes = b"") -> bytes:
        try:
            self._connection = self._connection or self._connect()
            status, content = self._connection.ask(method, self._base + path, self._headers, body)
        except OSError as exc:
            self.close()
            raise ServerAwayError(f"the server does not answer: {exc}") from exc
        if status >= 500 or status == 429:
            raise ServerAwayError(f"the server cannot answer now: {status}")
        if status >= 400:
            raise ServerRefusedError(f"the server refuses: {status} {content[:200]!r}", status)
        return content


def _beat(step: int | None, saved_step: int | None, *, is_busy: bool = False, begun_ago_s: float = 0.0) -> bytes:
    said = {"step": step, "saved_step": saved_step, "is_busy": is_busy, "begun_ago_s": begun_ago_s}
    return msgspec.json.encode(said)
