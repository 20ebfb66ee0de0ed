"""Decides, from values alone, how many ranks or nodes a run goes on with, and where ranks leave for another number."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from drivetrain.core.errors import UsageError
from drivetrain.core.units import NS_PER_MS, count_text
from drivetrain.launch.policy import Failure, is_permanent, why_give_up

_RANGE = r"([0-9]{1,6})(?::([0-9]{1,6}))?"
_AHEAD_NS = 150 * NS_PER_MS  # by when a word to all ranks has come to each, with a margin for a busy machine
_LEAST_AHEAD = 2  # steps; the step that is open, and one more
_PATIENCE_NS = 2500 * NS_PER_MS


def parse_range(option: str, text: str) -> tuple[int, int]:
    """Least and most, of `2:8` or `4`. Raises UsageError: it is neither, or the least is 0 or more than the most."""
    match = re.fullmatch(_RANGE, text)
    if match is None:
        raise UsageError(f"{option} is {text!r}", hint=f"write a number, or the least and the most: {option} 2:8")
    least, most = int(match[1]), int(match[2] or match[1])
    if least < 1:
        raise UsageError(f"{option} is {text}, expected 1 or more", hint=f"{option} {'1' if most < 1 else f'1:{most}'}")
    if least > most:
        raise UsageError(f"{option} is {text}, but the least comes first", hint=f"{option} {most}:{least}")
    return least, most


class Next(Struct, frozen=True):
    """What follows a failure.

    Attributes:
      num_ranks: of the next attempt; 0 when there is none.
      why: why not simply another attempt; empty when it is one.
    """

    num_ranks: int
    why: str = ""


def after_failure(failures: Sequence[Failure], *, restarts: int, num_ranks: int, min_ranks: int) -> Next:
    """Try again, go on with one rank fewer where trying again is vain, or give up.

    Args:
      failures: those since the number of ranks last changed, the last one just now.
    """
    why = why_give_up(failures, restarts)
    if why is None:
        return Next(num_ranks)
    if num_ranks > min_ranks and not is_permanent(failures[-1]):
        return Next(num_ranks - 1, why)
    return Next(0, why)


class Gathering:
    """When a run begins with the nodes that have come: with all of them, or with enough once no more come for a while.

    A node that comes later gets ranks only where those that run leave at a step.

    Args:
      wait_ns: that while, after the last one that came.
      until_ns: when it is over, though there are not enough.
    """

    def __init__(self, least: int, most: int, wait_ns: int, until_ns: int) -> None:
        self._least, self._most, self._wait_ns, self._until_ns = least, most, wait_ns, until_ns
        self._num, self._since_ns = 0, 0

    def is_over(self, num_there: int, now_ns: int) -> bool:
        """Whether to wait no more, with so many."""
        if num_there != self._num:
            self._num, self._since_ns = num_there, now_ns
        have_all_come = num_there >= self._most or now_ns - self._since_ns >= self._wait_ns
        return (num_there >= self._least and have_all_come) or now_ns >= self._until_ns


class Farewell(Struct, frozen=True):
    """Where all ranks leave an attempt together.

    Attributes:
      at_step: the step that none begins.
      within_ns: how long a rank has to get there; one that has not leaves wherever it is.
    """

    at_step: int
    within_ns: int


def farewell(furthest_step: int | None, turn_ns: int | None) -> Farewell | None:
    """A step that no rank has begun before all have heard of it; None while that cannot be told.

    Args:
      furthest_step: that any rank began; None before the first.
      turn_ns: how long the loop takes for a step; None while that is not known.
    """
    if furthest_step is None:
        return Farewell(0, _PATIENCE_NS)
    if turn_ns is None:
        return None
    ahead = max(_LEAST_AHEAD, 1 + -(-_AHEAD_NS // max(1, turn_ns)))
    return Farewell(furthest_step + ahead, _PATIENCE_NS + 2 * ahead * turn_ns)


def resized_text(before: int, after: int, attempt: int) -> str:
    """What is said when the number of ranks changes."""
    return f"from {count_text(before, 'rank')} to {count_text(after, 'rank')}, attempt {attempt}"
