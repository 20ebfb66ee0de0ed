"""What a sensor adds to light by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from drivetrain.data.augment.view import View


@dataclass(frozen=True)
class Noise:
    """Normal noise of variance read^2 + shot x value, scaled by a factor drawn from 0 to 1.

    Attributes:
      read: standard deviation in the dark, in grey values.
      shot: variance per grey value: light arrives in pieces.
    """

    read: float = 4.0
    shot: float = 0.3

    def __post_init__(self) -> None:
        if min(self.read, self.shot) < 0:
            raise ValueError(f"read is {self.read} and shot {self.shot}; both must be 0 or more")

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """Only the image changes."""
        scale = np.float32(rng.uniform(0, 1))
        if view.image_HW3 is None:
            return view
        value = view.image_HW3.astype(np.float32)
        noise = rng.standard_normal(value.shape, np.float32) * np.sqrt(np.float32(self.read**2) + self.shot * value)
        return replace(view, image_HW3=np.clip(np.rint(value + scale * noise), 0, 255).astype(np.uint8))
