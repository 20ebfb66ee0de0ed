"""Plays, seen from the server: one question at a time, in a process apart, and answers kept for some seconds."""

from __future__ import annotations

import select
import subprocess
import sys
import threading
import time
from typing import Any

import msgspec
from sqlalchemy import Engine

from drivetrain.core.errors import StoreError, UsageError
from drivetrain.server.foresee.question import Question, Said

WAIT_BUDGET_S, WHAT_IF_BUDGET_S = 6.0, 20.0
_GRACE_S = 20.0
"""To read what is there, and to finish a plan."""
_KEPT_S = 5.0
_MOST_ASKING = 4
"""So many may wait for an answer: each keeps a thread of the server's."""


class Foresight:
    """Answers what is asked, or says why it does not; closed, its process is gone."""

    def __init__(self, database: Engine) -> None:
        self._url = database.url.render_as_string(hide_password=False)
        self._turn = threading.Lock()
        self._places = threading.BoundedSemaphore(_MOST_ASKING)
        self._process: subprocess.Popen[bytes] | None = None
        self._kept: dict[object, tuple[float, dict[str, Any]]] = {}
        self._is_closed = False

    def wait(self, job: str, now_s: float) -> dict[str, Any]:
        """How long a job will wait. Raises: StoreError: too many ask, or the play did not come to its end."""
        question = Question(database=self._url, now_s=now_s, budget_s=WAIT_BUDGET_S, job=job)
        return self._ask(question, ("wait", job))

    def what_if(self, add: tuple[str, ...], over_s: float, now_s: float) -> dict[str, Any]:
        """What more devices would change. Raises: UsageError: there is no such kind. StoreError: as for `wait`."""
        question = Question(database=self._url, now_s=now_s, budget_s=WHAT_IF_BUDGET_S, add=add, over_s=over_s)
        return self._ask(question, ("what if", add, over_s))

    def close(self) -> None:
        """End the process; whoever waits for an answer gets none."""
        self._is_closed = True
        self.end()

    def end(self) -> None:
        """End the process; the next question starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _ask(self, question: Question, key: object) -> dict[str, Any]:
        if (kept := self._fresh(key)) is not None:
            return kept
        if not self._places.acquire(blocking=False):
            raise StoreError("others ask for estimates at this moment", hint="ask again in some seconds")
        try:
            with self._turn:
                if (kept := self._fresh(key)) is None:
                    kept = self._exchange(question)
                    self._kept[key] = time.monotonic() + _kept_s(kept), kept
                return kept
        finally:
            self._places.release()

    def _fresh(self, key: object) -> dict[str, Any] | None:
        now_s = time.monotonic()
        for old in [old for old, (until_s, _) in list(self._kept.items()) if now_s > until_s]:
            self._kept.pop(old, None)
        found = self._kept.get(key)
        return None if found is None else found[1]

    def _exchange(self, question: Question) -> dict[str, Any]:
        line = msgspec.json.encode(question) + b"\n"
        answer = self._answered(line, question.budget_s) or self._answered(line, question.budget_s)
        if not answer:
            raise StoreError("the process that plays jobs forward has ended")
        said = msgspec.json.decode(answer, type=Said)
        if said.found is None:
            raise UsageError(said.error, hint=said.hint) if said.is_usage else StoreError(said.error, hint=said.hint)
        return said.found

    def _answered(self, line: bytes, budget_s: float) -> bytes:
        """What the process says; nothing where it is gone, as it is when nobody asked for a while."""
        if self._is_closed:
            return b""
        if self._process is None or self._process.poll() is not None:
            self.end()
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "drivetrain.server.foresee.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(line)
            process.stdin.flush()
            if not select.select([process.stdout], [], [], budget_s + _GRACE_S)[0]:
                self.end()
                raise StoreError("the play took too long")
            return process.stdout.readline()
        except (OSError, ValueError):  # it is gone, or was closed
            return b""


def _kept_s(found: dict[str, Any]) -> float:
    """How long an answer holds: no longer than until what it expects."""
    middle_s = found.get("p50_s")
    return _KEPT_S if middle_s is None else min(_KEPT_S, middle_s)
