"""What a launcher has to say in the end."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
      exit_code: 0; or that of the rank that failed first when it is from 1 to 125, else 1; or 128 + the signal that
        stopped the launcher (130 for Ctrl-C).
      num_attempts: how many this launcher made.
      reason: one paragraph on why there was no further attempt; empty when the run ended well.
      hint: what to do about it.
    """

    exit_code: int
    num_attempts: int
    reason: str = ""
    hint: str = ""
