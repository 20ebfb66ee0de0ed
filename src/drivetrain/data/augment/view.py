"""What a camera and a lidar saw at one moment, held together so that no part can be changed without the others."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from drivetrain.data.arrays import Bytes, Floats, Mask
from drivetrain.data.log import Box, Intrinsics, Pose


@dataclass(frozen=True, eq=False)
class View:
    """One moment of one camera; any part may be absent. An operation gives a new view and leaves the arrays alone.

    Attributes:
      image_HW3: RGB, uint8.
      label_HW: class per pixel, uint8; 255 is unlabelled.
      points_N3: world metres.
      point_label_N: class per point, uint8.
      boxes: in world coordinates.
      pose: of the camera: p_world = R p_camera + position.
      intrinsics: of the camera, at the size of image and label.
    Raises: ValueError: parts that do not fit together.
    """

    image_HW3: Bytes | None = None
    label_HW: Bytes | None = None
    points_N3: Floats | None = None
    point_label_N: Bytes | None = None
    boxes: tuple[Box, ...] = ()
    pose: Pose | None = None
    intrinsics: Intrinsics | None = None

    def __post_init__(self) -> None:
        sizes = {
            name: (int(pixels.shape[1]), int(pixels.shape[0]))
            for name, pixels in (("image", self.image_HW3), ("label", self.label_HW))
            if pixels is not None
        }
        if self.intrinsics is not None:
            sizes["intrinsics"] = (self.intrinsics.width, self.intrinsics.height)
        if len(set(sizes.values())) > 1:
            raise ValueError(f"parts of a view differ in width and height: {sizes}")
        num_points = 0 if self.points_N3 is None else len(self.points_N3)
        if self.point_label_N is not None and len(self.point_label_N) != num_points:
            raise ValueError(f"a view has {num_points} points but {len(self.point_label_N)} classes of points")

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height in pixels; None where nothing has pixels."""
        if self.intrinsics is not None:
            return self.intrinsics.width, self.intrinsics.height
        pixels = self.image_HW3 if self.image_HW3 is not None else self.label_HW
        return None if pixels is None else (int(pixels.shape[1]), int(pixels.shape[0]))

    def with_points(self, kept_N: Mask) -> View:
        """Only some of its points, with their classes."""
        if self.points_N3 is None:
            return self
        labels = None if self.point_label_N is None else self.point_label_N[kept_N]
        return replace(self, points_N3=self.points_N3[kept_N], point_label_N=labels)

    def ranges_m(self) -> Floats:
        """Distance of each point from the camera, or from the world's origin where no pose is known (N)."""
        if self.points_N3 is None:
            return np.zeros(0)
        origin = np.zeros(3) if self.pose is None else np.asarray(self.pose.position)
        distance: Floats = np.linalg.norm(self.points_N3 - origin, axis=1)
        return distance
