"""The image at another size."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from drivetrain.data.arrays import Bytes
from drivetrain.data.augment.view import View


@dataclass(frozen=True)
class Resize:
    """The whole image at a fixed size, its edges kept; focal lengths and optical axis scale with it.

    Images are averaged over areas where they shrink and interpolated where they grow; of labels the nearest is taken.

    Attributes:
      width, height: of the result, in pixels.
    """

    width: int
    height: int

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 1:
            raise ValueError(f"a size of {self.width}x{self.height} pixels; both must be 1 or more")

    def __call__(self, view: View, rng: np.random.Generator) -> View:  # noqa: ARG002 - nothing is drawn
        """The same each time."""
        size = (self.width, self.height)
        if view.size is None or view.size == size:
            return view
        return replace(
            view,
            image_HW3=None if view.image_HW3 is None else _image_resized(view.image_HW3, size),
            label_HW=None if view.label_HW is None else _label_resized(view.label_HW, size),
            intrinsics=view.intrinsics and view.intrinsics.resized(*size),
        )


def _image_resized(image_HW3: Bytes, size: tuple[int, int]) -> Bytes:
    shrinks = size[0] <= image_HW3.shape[1] and size[1] <= image_HW3.shape[0]
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(image_HW3), size, interpolation=way), np.uint8)


def _label_resized(label_HW: Bytes, size: tuple[int, int]) -> Bytes:
    # Unlike INTER_NEAREST, this one agrees that whole numbers are pixel centres.
    way = cv2.INTER_NEAREST_EXACT
    return np.asarray(cv2.resize(np.ascontiguousarray(label_HW), size, interpolation=way), np.uint8)
