"""The world in a mirror, and the image with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from drivetrain.data.arrays import Bytes, Floats
from drivetrain.data.augment.view import View
from drivetrain.data.log import Box, Intrinsics, Pose
from drivetrain.data.turning import times


@dataclass(frozen=True)
class Flip:
    """Left and right exchanged: the image about its middle, the world about its x-z plane (y becomes -y).

    A camera that is mirrored with its world would be left-handed. So the mirrored camera also has its x axis turned
    round, which is what mirroring its image does: with M = diag(1, -1, 1) and F = diag(-1, 1, 1) its rotation becomes
    M R F, a proper one again, and every point stays on the pixel of the thing it was on.

    Writing becomes mirror writing, and traffic drives on the other side.
    """

    def __call__(self, view: View, rng: np.random.Generator) -> View:  # noqa: ARG002 - nothing is drawn
        """The same each time; put it in `Maybe` for half of the views."""
        return replace(
            view,
            image_HW3=None if view.image_HW3 is None else _mirrored(view.image_HW3),
            label_HW=None if view.label_HW is None else _mirrored(view.label_HW),
            points_N3=None if view.points_N3 is None else _mirror_points(view.points_N3),
            boxes=tuple(_mirror_box(box) for box in view.boxes),
            pose=view.pose and _mirror_pose(view.pose),
            intrinsics=view.intrinsics and _mirror_lens(view.intrinsics),
        )


def _mirrored(pixels: Bytes) -> Bytes:
    return np.ascontiguousarray(pixels[:, ::-1])


def _mirror_points(points_N3: Floats) -> Floats:
    return points_N3 * np.array([1, -1, 1], points_N3.dtype)


def _mirror_box(box: Box) -> Box:
    x, y, z = box.centre
    velocity = box.velocity and (box.velocity[0], -box.velocity[1])
    return replace(box, centre=(x, -y, z), yaw=-box.yaw, velocity=velocity)


def _mirror_pose(pose: Pose) -> Pose:
    """M R F = (M R M)(M F): the turn about the mirrored axis the other way, after half a turn about the camera's z."""
    x, y, z = pose.position
    w, a, b, c = pose.heading
    return Pose((x, -y, z), times((w, -a, b, -c), (0.0, 0.0, 0.0, 1.0)))


def _mirror_lens(lens: Intrinsics) -> Intrinsics:
    return replace(lens, cx=lens.width - 1 - lens.cx)
