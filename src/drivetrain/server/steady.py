"""A server's time: seconds since the epoch that neither leap nor go back, whatever is done to the machine's clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_SLEW = 0.1


def _since_boot_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)  # as CLOCK_MONOTONIC, and it counts a machine's sleep


class SteadyClock:
    """Begins at the machine's clock and goes on at the pace of the time since boot.

    A step of the machine's clock would end attempts before their grace is over, or have them wait for an hour that
    comes twice; so where the two differ, this one goes a tenth faster or slower until they agree.

    Args:
      wall_s: the machine's clock.
      since_boot_s: a clock that nobody sets.
    """

    def __init__(
        self, wall_s: Callable[[], float] = time.time, since_boot_s: Callable[[], float] = _since_boot_s
    ) -> None:
        self._wall_s, self._since_boot_s = wall_s, since_boot_s
        self._lock = threading.Lock()
        self._now_s, self._read_s = wall_s(), since_boot_s()

    def __call__(self) -> float:
        """Now."""
        with self._lock:
            return self._read()

    def not_before(self, at_s: float) -> None:
        """What is known to have happened has: it is at least so late."""
        with self._lock:
            self._now_s = max(self._read(), at_s)

    def _read(self) -> float:
        read_s = self._since_boot_s()
        passed_s = max(0.0, read_s - self._read_s)
        behind_s = self._wall_s() - (self._now_s + passed_s)
        self._read_s = read_s
        self._now_s += passed_s + min(_SLEW * passed_s, max(-_SLEW * passed_s, behind_s))
        return self._now_s
