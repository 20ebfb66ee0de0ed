"""What can go wrong with one sensor of a generated drive, and what then becomes of its messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drivetrain.data.arrays import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorFaults:
    """Faults of one sensor; by default none. Which messages are hit is decided by the drive's seed.

    Attributes:
      lag_s: how much later than the truth its stamps are.
      drift_ppm: how fast its clock runs away, microseconds a second.
      jump_at_s, jump_s: from when its clock is off by how much more; 0 for never.
      drop_rate: share of its messages that never arrive, below 1; of those between the first and the last.
      duplicate_rate: share of its messages that arrive twice.
      frozen_at_s, frozen_s: from when, and for how long, it says again and again what it said last; 0 for never.
      nan_rate: share of its values that are not a number, where it gives numbers.
    """

    lag_s: float = 0.0
    drift_ppm: float = 0.0
    jump_at_s: float = 0.0
    jump_s: float = 0.0
    drop_rate: float = 0.0
    duplicate_rate: float = 0.0
    frozen_at_s: float = 0.0
    frozen_s: float = 0.0
    nan_rate: float = 0.0

    def __post_init__(self) -> None:
        for name in ("drop_rate", "duplicate_rate", "nan_rate"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 or more and below 1")

    def arriving(self, numbers: Sequence[int], rng: np.random.Generator) -> list[int]:
        """The messages that arrive, in order; some are missing, some come twice."""
        inner = np.asarray(numbers[1:-1], np.int64)
        lost = set(rng.permutation(inner)[: round(self.drop_rate * len(numbers))].tolist())
        kept = [number for number in numbers if number not in lost]
        twice = set(rng.permutation(np.asarray(kept, np.int64))[: round(self.duplicate_rate * len(kept))].tolist())
        return [number for number in kept for _ in range(1 + (number in twice))]

    def stamp_s(self, true_N: Floats) -> Floats:
        """What the sensor's clock says at true times, seconds since the drive began."""
        jumped = np.where((self.jump_s != 0) & (true_N >= self.jump_at_s), self.jump_s, 0.0)
        stamps: Floats = true_N * (1 + self.drift_ppm / 1e6) + self.lag_s + jumped
        return stamps

    def said(self, number: int, rate_hz: float) -> int:
        """The message whose content is sent as this one: itself, or the last one before the sensor froze."""
        if not self.frozen_s:
            return number
        first, end = round(self.frozen_at_s * rate_hz), round((self.frozen_at_s + self.frozen_s) * rate_hz)
        return first if first < number < end else number

    def spoilt(self, values_NF: Floats, rng: np.random.Generator) -> Floats:
        """Values of which some became NaN."""
        lost = rng.random(values_NF.shape) < self.nan_rate
        spoilt: Floats = np.where(lost, np.nan, values_NF)
        return spoilt
