"""A planned failure, written as text, so that tests, benchmarks and the demo can break a run at an exact place."""

from __future__ import annotations

import os
import re
import signal
import time
from dataclasses import dataclass
from typing import Literal, NoReturn

from drivetrain.core import variables
from drivetrain.core.errors import UsageError

_FORM = re.compile(r"(kill|hang|raise):rank=([0-9]+),step=([0-9]+)(?:,attempt=([0-9]+))?")


@dataclass(frozen=True, slots=True)
class Fault:
    """One rank fails as it is about to begin one step of one attempt.

    Attributes:
      kind: `kill` (SIGKILL to itself), `hang` (stops making progress) or `raise` (an exception).
      rank: which one, from 0.
      step: before which step, from 0.
      attempt: in which attempt, from 0; a later attempt passes the same step unharmed.
    """

    kind: Literal["kill", "hang", "raise"]
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
            raise UsageError(f"{text!r} is no fault", hint="write it like kill:rank=1,step=48 (kill, hang or raise)")
        kind, rank, step, attempt = match.groups(default="0")
        return cls(kind, int(rank), int(step), int(attempt))  # type: ignore[arg-type]  # the pattern allows only these

    def __str__(self) -> str:
        return f"{self.kind}:rank={self.rank},step={self.step},attempt={self.attempt}"

    def strike(self) -> NoReturn:
        """Fail now, in this process."""
        if self.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        while self.kind == "hang":
            time.sleep(3600)
        raise RuntimeError(f"planned fault {self}")


def planned(rank: int, attempt: int) -> dict[int, Fault]:
    """The faults that the environment plans for this rank and attempt, by step; several are separated by `;`."""
    text = os.environ.get(variables.FAULT, "")
    faults = [Fault.parse(part) for part in text.split(";") if part]
    return {fault.step: fault for fault in faults if (fault.rank, fault.attempt) == (rank, attempt)}
