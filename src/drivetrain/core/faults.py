"""A planned failure, written as text, so that tests, benchmarks and the demo can break a run at an exact place."""

from __future__ import annotations

import os
import re
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal, get_args

from msgspec import Struct

from drivetrain.core import variables
from drivetrain.core.errors import UsageError

Kind = Literal["kill", "stop", "hang", "raise", "full", "room"]
_KINDS = get_args(Kind)
_FORM = re.compile(rf"({'|'.join(_KINDS)}):rank=([0-9]+),step=([0-9]+)(?:,attempt=([0-9]+))?")
_FULL_BYTES = 1 << 17  # room for the journal of some thousand steps, and for no checkpoint that is larger


class Fault(Struct, frozen=True):
    """One rank fails as it is about to begin one step of one attempt.

    Attributes:
      kind: `kill` (SIGKILL to itself), `stop` (SIGSTOP, from which a SIGCONT lets it go on), `hang` (no progress any
        more), `raise` (an exception), `full` (from now on, the disk takes no file above 128 KiB from this rank and what
        it has started), `room` (the disk takes them again).
      rank: which one, from 0.
      step: before which step, from 0.
      attempt: in which attempt, from 0; a later attempt passes the same step unharmed.
    """

    kind: Kind
    rank: int
    step: int
    attempt: int = 0

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read `kill:rank=1,step=48` or `kill:rank=1,step=48,attempt=2`.

        Raises: UsageError: it has another form.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            raise UsageError(f"{text!r} is no fault", hint=f"write it like kill:rank=1,step=48 ({', '.join(_KINDS)})")
        kind, rank, step, attempt = match.groups(default="0")
        return cls(kind, int(rank), int(step), int(attempt))  # type: ignore[arg-type]  # the pattern allows only these

    def __str__(self) -> str:
        return f"{self.kind}:rank={self.rank},step={self.step},attempt={self.attempt}"

    def strike(self) -> None:
        """Do it now, to this process; returns from `stop`, `full` and `room` alone."""
        if self.kind in ("kill", "stop"):
            os.kill(os.getpid(), signal.SIGKILL if self.kind == "kill" else signal.SIGSTOP)
        elif self.kind in ("full", "room"):
            _limit_files(_FULL_BYTES if self.kind == "full" else None)
        elif self.kind == "raise":
            raise RuntimeError(f"planned fault {self}")
        while self.kind == "hang":
            time.sleep(3600)


def _limit_files(most_bytes: int | None) -> None:
    """Set the largest file that this process and all below it may write; None allows what was allowed at first."""
    for pid in _family(os.getpid()):
        with suppress(ProcessLookupError):
            _, allowed_bytes = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            limit_bytes = allowed_bytes if most_bytes is None else most_bytes
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit_bytes, allowed_bytes))


def _family(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from _family(int(child))


def planned(rank: int, attempt: int) -> dict[int, Fault]:
    """The faults that the environment plans for this rank and attempt, by step; several are separated by `;`."""
    text = os.environ.get(variables.FAULT, "")
    faults = [Fault.parse(part) for part in text.split(";") if part]
    return {fault.step: fault for fault in faults if (fault.rank, fault.attempt) == (rank, attempt)}
