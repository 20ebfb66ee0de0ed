"""An image that is out of focus."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from drivetrain.data.augment.view import View


@dataclass(frozen=True)
class Blur:
    """A Gaussian blur; edges stay where they were, only softer.

    Attributes:
      max_sigma_px: the largest standard deviation, in pixels.
    """

    max_sigma_px: float = 1.5

    def __post_init__(self) -> None:
        if not 0 < self.max_sigma_px <= 50:
            raise ValueError(f"max_sigma_px is {self.max_sigma_px}; it must be above 0 and at most 50")

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """Only the image changes."""
        sigma = float(rng.uniform(0, self.max_sigma_px))
        if view.image_HW3 is None or sigma < 0.1:
            return view
        soft = cv2.GaussianBlur(np.ascontiguousarray(view.image_HW3), (0, 0), sigma)
        return replace(view, image_HW3=np.asarray(soft, np.uint8))
