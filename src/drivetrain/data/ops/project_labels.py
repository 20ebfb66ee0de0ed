"""Project labelled points into the image: a sparse label map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from drivetrain.core.errors import SampleError
from drivetrain.data.arrays import Bytes, Floats
from drivetrain.data.classes import UNLABELLED, merge_table
from drivetrain.data.log import Intrinsics, Pose
from drivetrain.data.pipeline.description import Op
from drivetrain.data.pipeline.item import Item
from drivetrain.data.project import label_map


@dataclass(frozen=True)
class ProjectLabels(Op):
    """Points with a class -> a driving group per pixel, at the size that is stored; see `data/project.py`.

    Takes parts `points` (float, N3, world metres), `point_labels` (uint8, N, the source's class) and `pose` (of the
    camera), and columns `fx fy cx cy width height` (pixels, as recorded). Gives part `label` (uint8, HW, 255 where no
    point speaks for a pixel) and column `num_labelled`, its pixels that have a label; takes the points away.

    Attributes:
      size: width and height of the label map, pixels.
    """

    size: tuple[int, int]

    def __call__(self, item: Item) -> Item:
        """The item with its label map. Raises SampleError: points and classes do not belong together."""
        points_N3, class_N = cast(Floats, item.read("points")), cast(Bytes, item.read("point_labels"))
        if len(points_N3) != len(class_N):
            raise SampleError(f"sweep of {item.key} has {len(points_N3)} points but {len(class_N)} classes")
        if item.log is None:
            raise SampleError(f"{item.key} has no log to tell what its classes mean")
        group_N = merge_table(item.log.class_names)[0][class_N]
        label_HW = label_map(points_N3, group_N, cast(Pose, item.read("pose")), intrinsics_of(item).resized(*self.size))
        num_labelled = int(np.count_nonzero(label_HW != UNLABELLED))
        labelled = item.without_parts("points", "point_labels").with_parts(label=label_HW)
        return labelled.with_columns(num_labelled=num_labelled)


def intrinsics_of(item: Item) -> Intrinsics:
    """The camera that an item's columns describe."""
    return Intrinsics(*(item.columns[name] for name in ("fx", "fy", "cx", "cy", "width", "height")))  # type: ignore[arg-type]  # the source's numbers
