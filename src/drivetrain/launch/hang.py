"""Decides, from values alone, whether a rank hangs: it is silent for much longer than a step takes, and does nothing.

A limit on silence alone would kill a rank that evaluates for a minute in the middle of a step, or would have to be as
long as the longest such pause. So silence is held against what the process does meanwhile:

1. A process that is stopped (SIGSTOP) hangs after the floor, whatever it was doing.
2. A rank inside a step that has used no processor time hangs after max(10 x the 99th percentile of steps, floor), if
   all ranks are silent and it is the one that got least far: the others wait for it. Of several that got equally far,
   each must have been idle.
3. Anything else hangs after 10 floors of silence of all ranks: a loop that never ends, a wait for data or a disk.
4. Ranks that are not silent hang where none has done a step for max(10 floors, 10 x the 99th percentile of steps): a
   script that catches every error and tries again records much, for ever. What is no part of training (evaluation, say)
   takes its time.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

PATIENCE = 10  # floors of silence that a rank which is busy, or outside a step, is given
STEPS = 10  # longest steps that a rank which is idle inside a step is given


class Look(Struct, frozen=True):
    """One rank at one moment.

    Attributes:
      step: the last step it began; -1 when it has recorded none.
      in_step: whether its last record was the beginning of a step.
      silent_ns: since its last record.
      idle_ns: since its process was last seen to use the processor.
      is_stopped: whether a signal has stopped its process.
      stepless_ns: how long it has been at its steps since it did the last one.
    """

    rank: int
    step: int
    in_step: bool
    silent_ns: int
    idle_ns: int
    is_stopped: bool
    stepless_ns: int = 0


def hung(looks: Sequence[Look], *, floor_ns: int, p99_step_ns: int | None) -> Look | None:
    """The rank that hangs, if one does.

    Args:
      looks: at all ranks that live; each has recorded something at some time.
      floor_ns: no rank hangs that has been silent for less.
      p99_step_ns: 99th percentile of steps so far; None while there are too few.
    """
    stopped = [look for look in looks if look.is_stopped and min(look.silent_ns, look.idle_ns) >= floor_ns]
    if stopped:
        return max(stopped, key=_longest_first)
    if not looks:
        return None
    silent_ns = min(look.silent_ns for look in looks)
    patience_ns = max(PATIENCE * floor_ns, STEPS * (p99_step_ns or 0))
    is_stepless = min(look.stepless_ns for look in looks) >= patience_ns
    if silent_ns < floor_ns and not is_stepless:
        return None
    least = min(look.step for look in looks)
    suspects = [look for look in looks if look.step == least]
    worst = max(suspects, key=_longest_first)
    if silent_ns >= PATIENCE * floor_ns:
        return worst
    if is_stepless:
        return min(suspects, key=lambda look: (look.silent_ns, look.rank))  # the others wait for it, and say nothing
    if p99_step_ns is None:
        return None
    limit_ns = max(STEPS * p99_step_ns, floor_ns)
    is_idle = all(look.in_step and min(look.silent_ns, look.idle_ns) >= limit_ns for look in suspects)
    return worst if is_idle else None


def _longest_first(look: Look) -> tuple[int, bool, int]:
    """Who has been silent for longest; of equals one that is stopped, and then the first rank."""
    return look.silent_ns, look.is_stopped, -look.rank
