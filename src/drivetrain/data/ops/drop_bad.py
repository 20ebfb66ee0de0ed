"""Leave out frames that cannot be used, by name and with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from drivetrain.core.errors import SampleError
from drivetrain.data.log import Pose
from drivetrain.data.pipeline.description import Op
from drivetrain.data.pipeline.item import Item


@dataclass(frozen=True)
class DropBad(Op):
    """Frames whose pose is lost: a number that is not finite, or a quaternion without a direction.

    Takes part `pose`; gives the item as it is. A frame left out counts as a bad one, unlike one that has no partner in
    time, so that many of them stop the pipeline.
    """

    def __call__(self, item: Item) -> Item:
        """The item. Raises SampleError: its pose cannot be used."""
        pose = cast(Pose, item.read("pose"))
        if not pose.is_valid:
            raise SampleError(f"pose of {item.key} is not finite: {pose.position} {pose.heading}")
        return item
