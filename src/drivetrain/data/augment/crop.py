"""A window of the image, somewhere in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from drivetrain.data.augment.view import View


@dataclass(frozen=True)
class Crop:
    """A window of a fixed size at a random place; the optical axis moves with it.

    Points and boxes stay: a thing that is no longer in the image is still there.

    Attributes:
      width, height: of the window, in pixels.
    """

    width: int
    height: int

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 1:
            raise ValueError(f"a crop of {self.width}x{self.height} pixels; both must be 1 or more")

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """Raises ValueError: the view is smaller than the window."""
        if view.size is None:
            return view
        width, height = view.size
        if self.width > width or self.height > height:
            raise ValueError(f"a crop of {self.width}x{self.height} pixels from a view of only {width}x{height}")
        left = int(rng.integers(width - self.width + 1))
        top = int(rng.integers(height - self.height + 1))
        rows, columns = slice(top, top + self.height), slice(left, left + self.width)
        lens = view.intrinsics
        return replace(
            view,
            image_HW3=None if view.image_HW3 is None else view.image_HW3[rows, columns],
            label_HW=None if view.label_HW is None else view.label_HW[rows, columns],
            intrinsics=lens
            and replace(lens, cx=lens.cx - left, cy=lens.cy - top, width=self.width, height=self.height),
        )
