"""Light and colour of the image."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from drivetrain.data.augment.view import View


@dataclass(frozen=True)
class Photometric:
    """Brightness, contrast, gamma and saturation, each changed by a factor drawn from 1 - x .. 1 + x.

    Attributes:
      brightness: what all values are multiplied by.
      contrast: what the distance to mid-grey is multiplied by.
      gamma: the power that values (0 to 1) are raised to.
      saturation: what the distance to the pixel's own grey is multiplied by.
    """

    brightness: float = 0.2
    contrast: float = 0.2
    gamma: float = 0.2
    saturation: float = 0.3

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "gamma", "saturation"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be from 0 to below 1")

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """Only the image changes."""
        most = np.array([self.brightness, self.contrast, self.gamma, self.saturation])
        bright, contrast, gamma, saturation = (1 + most * rng.uniform(-1, 1, 4)).tolist()
        if view.image_HW3 is None:
            return view
        value = np.linspace(0, 1, 256) ** gamma
        table = np.clip((value * bright - 0.5) * contrast + 0.5, 0, 1)
        toned = cv2.LUT(np.ascontiguousarray(view.image_HW3), np.rint(table * 255).astype(np.uint8))
        grey = cv2.cvtColor(cv2.cvtColor(toned, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        return replace(
            view, image_HW3=np.asarray(cv2.addWeighted(toned, saturation, grey, 1 - saturation, 0), np.uint8)
        )
