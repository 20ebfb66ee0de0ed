"""Tag images by how bright they are and what they look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

from drivetrain.data.arrays import Bytes
from drivetrain.data.pipeline.description import Op
from drivetrain.data.pipeline.item import Item
from drivetrain.data.tags.frames import tag_image


@dataclass(frozen=True)
class TagImage(Op):
    """Part `image` (uint8, HW3, RGB) -> columns of how bright it is and what it looks like.

    `brightness` (mean luma, 0 to 255), `light` (dark, dim or bright), `image_hash` (int64, `data/image_hash.py`).
    """

    is_cheap: ClassVar[bool] = True

    def __call__(self, item: Item) -> Item:
        """The item with these columns."""
        return item.with_columns(**tag_image(cast(Bytes, item.read("image"))))
