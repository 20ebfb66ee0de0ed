"""UTC instants and monotonic durations, both in integer nanoseconds, and the anchor that ties one to the other.

Annotations are types here and not texts of them, which `typing` would compile: agents and ranks have no time for that.
"""

import time
from typing import NamedTuple, Self

from drivetrain.core.host import host_id as host_id

mono_ns = time.monotonic_ns  # one clock for all processes of a host since its boot (CLOCK_MONOTONIC)
wall_ns = time.time_ns  # UTC since the epoch; may jump


class Anchor(NamedTuple):
    """One moment on both clocks of one host: later monotonic times become instants through it.

    Attributes:
      mono_ns: monotonic nanoseconds since the host booted.
      wall_ns: UTC nanoseconds since the epoch at that same moment.
    """

    mono_ns: int
    wall_ns: int

    @classmethod
    def now(cls) -> Self:
        """Read both clocks, one right after the other."""
        return cls(mono_ns(), wall_ns())

    def to_wall_ns(self, at_mono_ns: int) -> int:
        """The instant of a monotonic reading of the same host."""
        return self.wall_ns + at_mono_ns - self.mono_ns


def utc_text(at_wall_ns: int) -> str:
    """An instant for people, to the second: `2026-11-20 12:33:05 UTC`."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at_wall_ns // 1_000_000_000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
