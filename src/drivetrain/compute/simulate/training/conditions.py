"""What the played cluster is like."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What the played cluster is like; the defaults are the published rules.

    Attributes:
      restart_s: what a new placement costs.
      declared_error: what users declare is wrong by exp(this times a normal deviate).
      seed: of those.
    """

    restart_s: float = 30.0
    declared_error: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("restart_s", "declared_error"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} is {value}, expected a finite number of at least 0")


PUBLISHED = Conditions()
"""Pollux's rules."""
