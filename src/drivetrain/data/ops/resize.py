"""Resize the image and its intrinsics together."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import cast

import cv2

from drivetrain.core.errors import SampleError
from drivetrain.data.arrays import Bytes
from drivetrain.data.ops.project_labels import intrinsics_of
from drivetrain.data.pipeline.description import Op
from drivetrain.data.pipeline.item import Item


@dataclass(frozen=True)
class Resize(Op):
    """Images at another size, by area, so that every world point stays on the thing it was on.

    Takes part `image` (uint8, HW3) and, where there are any, columns `fx fy cx cy width height` (pixels, of that
    image); gives both anew.

    Attributes:
      size: width and height, pixels.
    """

    size: tuple[int, int]

    def __call__(self, item: Item) -> Item:
        """The item at the new size. Raises SampleError: the image is not of the size that its camera has."""
        image_HW3 = cast(Bytes, item.read("image"))
        resized_HW3 = cast(Bytes, cv2.resize(image_HW3, self.size, interpolation=cv2.INTER_AREA))
        if "fx" not in item.columns:
            return item.with_parts(image=resized_HW3)
        height, width = image_HW3.shape[:2]
        intrinsics = intrinsics_of(item)
        if (width, height) != (intrinsics.width, intrinsics.height):
            raise SampleError(f"{item.key} is {width}x{height} pixels, unlike the other frames")
        return item.with_parts(image=resized_HW3).with_columns(**asdict(intrinsics.resized(*self.size)))
