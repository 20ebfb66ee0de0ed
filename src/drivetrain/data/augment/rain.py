"""Rain: streaks, a grey veil, and fewer far lidar returns."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from drivetrain.data.arrays import Bytes
from drivetrain.data.augment.veil import veiled
from drivetrain.data.augment.view import View

_STREAKS_PER_PIXEL = 4e-5  # for each mm/h; chosen to look right, not measured
_AIRLIGHT = 150.0


@dataclass(frozen=True)
class Rain:
    """Rain of a rate drawn between none and the most.

    Attributes:
      max_mm_per_h: rate; 2.5 is moderate, 10 heavy, 50 violent.
    Source: extinction 0.312 rate^0.67 per km, as in Halder, Lalonde, de Charette, "Physics-Based Rendering for
      Improving Robustness to Rain", ICCV 2019. The streaks are drawn, not simulated.
    """

    max_mm_per_h: float = 30.0

    def __post_init__(self) -> None:
        if not 0 < self.max_mm_per_h <= 500:
            raise ValueError(f"max_mm_per_h is {self.max_mm_per_h}; it must be above 0 and at most 500")

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """Uniform in rate."""
        rate = float(rng.uniform(0, self.max_mm_per_h))
        wet = veiled(view, 0.312e-3 * rate**0.67, _AIRLIGHT, rng)
        return wet if wet.image_HW3 is None else replace(wet, image_HW3=_streaked(wet.image_HW3, rate, rng))


def _streaked(image_HW3: Bytes, rate: float, rng: np.random.Generator) -> Bytes:
    height, width = image_HW3.shape[:2]
    num = round(_STREAKS_PER_PIXEL * rate * height * width)
    slant = rng.uniform(-0.25, 0.25)
    top_K2 = rng.uniform([0, -0.1 * height], [width, height], (num, 2))
    length_K = rng.uniform(0.02, 0.08, num) * height
    drawn = np.zeros((height, width), np.uint8)
    ends = np.rint(np.stack([top_K2, top_K2 + np.stack([slant * length_K, length_K], axis=1)], axis=1)).astype(np.int32)
    cv2.polylines(drawn, list(ends), isClosed=False, color=90)
    alpha = cv2.GaussianBlur(drawn, (3, 3), 0)[..., None] / np.float32(255)
    return np.asarray(np.rint(image_HW3 * (1 - alpha) + 220 * alpha), np.uint8)
