"""Fog, thicker the farther one looks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.data.augment.veil import veiled
from drivetrain.data.augment.view import View

_CONTRAST_SEEN = 3.912  # -ln 0.02: one still sees two per cent of contrast


@dataclass(frozen=True)
class Fog:
    """Fog of a visibility drawn between two: the image fades with depth, far lidar returns are lost.

    Attributes:
      nearest_m, farthest_m: visibility, metres; fog is below 1,000 m, thick fog below 200 m.
      airlight: its grey value, 0 to 255.
    Source: visibility = 3.912 / extinction, after Koschmieder; see veil.py.
    """

    nearest_m: float = 80.0
    farthest_m: float = 400.0
    airlight: float = 200.0

    def __post_init__(self) -> None:
        if not 0 < self.nearest_m <= self.farthest_m:
            raise ValueError(
                f"visibility from {self.nearest_m} to {self.farthest_m} m; expected 0 < nearest <= farthest"
            )

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """Even in extinction, so that thick and thin fog are as likely as they look."""
        extinction = rng.uniform(_CONTRAST_SEEN / self.farthest_m, _CONTRAST_SEEN / self.nearest_m)
        return veiled(view, float(extinction), self.airlight, rng)
