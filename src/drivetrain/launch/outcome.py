"""What a launcher has to say in the end."""

from __future__ import annotations

import signal

from msgspec import Struct

from drivetrain.core.units import count_text, duration_text
from drivetrain.store import RunFolder


class Outcome(Struct, frozen=True):
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


def stopped(signum: int, run: RunFolder, num_attempts: int, *, has_saved: bool) -> Outcome:
    """A person, or a scheduler, ended it. Args: has_saved: whether one of its ranks has recorded a checkpoint."""
    from drivetrain.store import LocalShelf  # its imports cost what few runs need

    is_saved = has_saved or (run.checkpoints.is_dir() and bool(LocalShelf(run.checkpoints).steps()))
    how = "go on from its newest checkpoint" if is_saved else "no checkpoint of it is known; begin it again"
    hint = f"{how} with the same command: drivetrain run --run {run.id} ..."
    return Outcome(
        128 + signum, num_attempts, f"stopped by {signal.Signals(signum).name}", hint if num_attempts else ""
    )


def too_few(num_there: int, least: int, waited_ns: int, meet: str, num_attempts: int) -> Outcome:
    """The nodes that it needs did not come."""
    came = f"{count_text(num_there, 'node')} came within {duration_text(waited_ns)}"
    hint = f"start the same command on each node, with --meet {meet}"
    return Outcome(1, num_attempts, f"{came}, but at least {least} are needed", hint)
