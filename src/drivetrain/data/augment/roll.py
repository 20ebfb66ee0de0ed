"""The camera turned about its own axis."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from drivetrain.data.arrays import Bytes, Floats
from drivetrain.data.augment.view import View
from drivetrain.data.classes import UNLABELLED
from drivetrain.data.log import Intrinsics
from drivetrain.data.turning import about_z, rotation_3x3, times


@dataclass(frozen=True)
class Roll:
    """The camera rolled by up to so much either way: the image turns about the optical axis, the pose turns with it.

    The world stays. Pixels that the camera did not see become black and unlabelled. A view without intrinsics is taken
    to look along the middle of its image, with square pixels.

    Attributes:
      max_deg: the largest roll either way, degrees.
    """

    max_deg: float = 5.0

    def __post_init__(self) -> None:
        if not 0 <= self.max_deg <= 180:
            raise ValueError(f"max_deg is {self.max_deg}; it must be from 0 to 180")

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """Uniform between the limits."""
        angle = np.radians(rng.uniform(-self.max_deg, self.max_deg))
        if view.size is None:
            return view
        warp = _warp(view.intrinsics or _middle(*view.size), float(angle))
        return replace(
            view,
            image_HW3=None if view.image_HW3 is None else _warped(view.image_HW3, warp, cv2.INTER_LINEAR, 0),
            label_HW=None if view.label_HW is None else _warped(view.label_HW, warp, cv2.INTER_NEAREST, UNLABELLED),
            # p_camera becomes Rz p_camera, so the camera's rotation R becomes R Rz^T.
            pose=view.pose and replace(view.pose, heading=times(view.pose.heading, about_z(-float(angle)))),
        )


def _middle(width: int, height: int) -> Intrinsics:
    return Intrinsics(1.0, 1.0, width / 2 - 0.5, height / 2 - 0.5, width, height)


def _warp(lens: Intrinsics, angle_rad: float) -> Floats:
    """Where pixels go: K Rz K^-1, which keeps the optical axis and is affine (2 x 3)."""
    matrix = np.array([[lens.fx, 0, lens.cx], [0, lens.fy, lens.cy], [0, 0, 1.0]])
    moved: Floats = matrix @ rotation_3x3(angle_rad) @ np.linalg.inv(matrix)
    return moved[:2]


def _warped(pixels: Bytes, warp: Floats, way: int, outside: int) -> Bytes:
    height, width = pixels.shape[:2]
    filled = (outside,) * 3
    return np.asarray(
        cv2.warpAffine(np.ascontiguousarray(pixels), warp, (width, height), flags=way, borderValue=filled), np.uint8
    )
