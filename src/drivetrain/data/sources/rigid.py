"""Rigid motions: one pose seen through another, and points carried along."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from drivetrain.data.arrays import Floats
from drivetrain.data.log import Pose
from drivetrain.data.turning import times

LOST_POSE = Pose((math.nan, math.nan, math.nan), (math.nan, math.nan, math.nan, math.nan))
"""Where a pose should be and is not."""


def compose(outer: Pose, inner: Pose) -> Pose:
    """The pose of what is at `inner` in the coordinates of what is at `outer`: a sensor on a vehicle in the world."""
    if not outer.is_valid:
        return LOST_POSE
    x, y, z = (outer.rotation @ np.array(inner.position) + np.array(outer.position)).tolist()
    return Pose((x, y, z), times(outer.heading, inner.heading))


def carried(points_N3: Floats, pose: Pose) -> Floats:
    """Points in a sensor's coordinates as world points, float64."""
    world_N3: Floats = points_N3.astype(np.float64) @ pose.rotation.T + np.array(pose.position)
    return world_N3


def yaw_of(pose: Pose) -> float:
    """The direction of its x axis about +z, radians; NaN where the pose is lost."""
    if not pose.is_valid:
        return math.nan
    return math.atan2(pose.rotation[1, 0], pose.rotation[0, 0])


def velocities(t_N_ns: Sequence[int], centre_N3: Floats, *, longest_s: float = 1.5) -> list[tuple[float, float] | None]:
    """The velocity of one thing at each of its stamps, x and y, from where it is before and after.

    Args:
      t_N_ns: rising stamps.
      centre_N3: world metres.
      longest_s: no velocity is made of stamps that are further apart; twice that across a stamp in the middle.
    Source: `box_velocity` of the nuScenes devkit.
    """
    found: list[tuple[float, float] | None] = []
    last = len(t_N_ns) - 1
    for i in range(len(t_N_ns)):
        before, after = max(0, i - 1), min(last, i + 1)
        elapsed_s = (t_N_ns[after] - t_N_ns[before]) / 1e9
        if not 0 < elapsed_s <= longest_s * (after - before):
            found.append(None)
            continue
        x, y = ((centre_N3[after, :2] - centre_N3[before, :2]) / elapsed_s).tolist()
        found.append((x, y))
    return found
