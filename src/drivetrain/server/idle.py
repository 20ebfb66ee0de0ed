"""A server that was started for this machine ends when it is of no use: no job is left, and nobody asks anything."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import uvicorn

from drivetrain.server.repeating import repeating

IDLE_S = 10.0
_LOOK_S = 1.0


class Idleness:
    """For how long there has been nothing to do."""

    def __init__(self, now_s: float) -> None:
        self._since_s, self._num_asked = now_s, 0

    def seconds(self, now_s: float, *, num_unfinished: int, num_asked: int, num_open: int) -> float:
        """Since there was a job or a request.

        Args:
          num_unfinished: jobs.
          num_asked: requests that have been answered, ever.
          num_open: requests that have not.
        """
        if num_unfinished or num_open or num_asked != self._num_asked:
            self._since_s = now_s
        self._num_asked = num_asked
        return now_s - self._since_s


def ending_when_idle(running: uvicorn.Server, num_unfinished: Callable[[], int]) -> AbstractContextManager[None]:
    """While the block runs, end the serving once it is idle.

    Args:
      num_unfinished: gives how many jobs are left.
    """
    idleness, state = Idleness(time.monotonic()), running.server_state

    def look() -> None:
        idle_s = idleness.seconds(
            time.monotonic(),
            num_unfinished=num_unfinished(),
            num_asked=state.total_requests,
            num_open=len(state.tasks),
        )
        if idle_s > IDLE_S:
            running.should_exit = True

    return repeating(look, every_s=_LOOK_S, name="idle")
