"""How much a place for a share of a device loses: what is left of the device may be of no use to anybody.

A slice of a device is worth what the shares that are asked for can make of it (`packing.prices`). A place loses as much
as the device's free slice is worth less afterwards than the share itself takes; see `packing` for how that was found
and what it brings. Where nothing is known of what is asked for, a slice is worth its length: then it is best fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from drivetrain.compute.policy.values import MILLI

_LEVELS = 10_000
_STEP = 1 << 14
"""More than any node has milli free, so that they only decide between places that lose as much."""


@lru_cache(maxsize=4096)
def losses(gpu_milli: int, worth: tuple[float, ...] = ()) -> tuple[int, ...]:
    """By the milli that a device has free, what a share of so many loses on it; less is better.

    Args:
      worth: of a slice, by its milli from 0 to 1000, in devices; empty where nothing is known.
    """
    if not worth:
        return tuple(range(MILLI + 1))
    found = []
    for free in range(MILLI + 1):
        left = max(0, free - gpu_milli)
        lost = _waste(left, worth) - _waste(free, worth)
        found.append(round(lost * _LEVELS) * _STEP + free)
    return tuple(found)


def _waste(free: int, worth: Sequence[float]) -> float:
    """How much more a slice is than what it is worth."""
    return free / MILLI - worth[free]
