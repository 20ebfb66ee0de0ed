"""The world turned about the vertical."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from drivetrain.data.arrays import Floats
from drivetrain.data.augment.view import View
from drivetrain.data.log import Box
from drivetrain.data.turning import about_z, rotation_3x3, times


@dataclass(frozen=True)
class TurnWorld:
    """Points, boxes and pose turned together about the vertical through the camera, or through the origin without one.

    Nothing moves in the image. What learns from world or bird's-eye coordinates no longer learns where north is.

    Attributes:
      max_deg: the largest turn either way, degrees.
    """

    max_deg: float = 180.0

    def __post_init__(self) -> None:
        if not 0 <= self.max_deg <= 180:
            raise ValueError(f"max_deg is {self.max_deg}; it must be from 0 to 180")

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """Uniform between the limits."""
        angle = float(np.radians(rng.uniform(-self.max_deg, self.max_deg)))
        origin = np.zeros(3) if view.pose is None else np.asarray(view.pose.position)
        return moved(view, angle, origin, origin)


def moved(view: View, angle_rad: float, source_3: Floats, target_3: Floats) -> View:
    """The world turned about a vertical, and its point `source_3` put at `target_3`; the image is as it was."""
    turn = rotation_3x3(angle_rad)

    def place(points_N3: Floats) -> Floats:
        placed: Floats = (points_N3 - source_3) @ turn.T + target_3
        return placed

    def box_moved(box: Box) -> Box:
        centre, speed = place(np.array(box.centre)), box.velocity and turn[:2, :2] @ np.array(box.velocity)
        return replace(
            box,
            centre=(float(centre[0]), float(centre[1]), float(centre[2])),
            yaw=box.yaw + angle_rad,
            velocity=None if speed is None else (float(speed[0]), float(speed[1])),
        )

    pose = view.pose
    if pose is not None:
        x, y, z = place(np.asarray(pose.position)).tolist()
        pose = replace(pose, position=(x, y, z), heading=times(about_z(angle_rad), pose.heading))
    points = view.points_N3
    return replace(
        view,
        points_N3=None if points is None else place(points).astype(points.dtype),
        boxes=tuple(box_moved(box) for box in view.boxes),
        pose=pose,
    )
