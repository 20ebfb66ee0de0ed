"""World points -> pixels, and labelled points -> a sparse label map at the size that training will see."""

from __future__ import annotations

import numpy as np

from drivetrain.data.arrays import Bytes, Floats, Ints, Mask
from drivetrain.data.classes import UNLABELLED
from drivetrain.data.log import Intrinsics, Pose

NEAR_M = 0.5
"""Points closer to the image plane than this are not projected."""

_FOOTPRINT_M = 0.03  # half the side of the patch that one lidar point speaks for
_MAX_REACH_PX = 2  # however near, a point speaks for at most a patch of 5 x 5 pixels
# Depth added per pixel from a point's own pixel, as a share: of two points of one surface, the centred one wins.
_RING_PENALTY = 0.01


def project(points_N3: Floats, pose: Pose, intrinsics: Intrinsics) -> tuple[Floats, Floats]:
    """Where world points fall in an image.

    Returns:
      uv_N2 in pixels (whole numbers are pixel centres; NaN where depth is below `NEAR_M`), and depth_N in metres along
      the optical axis.
    """
    x_N, y_N, depth_N = _in_camera(points_N3, pose)
    safe_N = np.where(depth_N > NEAR_M, depth_N, np.nan)
    u_N = intrinsics.fx * x_N / safe_N + intrinsics.cx
    v_N = intrinsics.fy * y_N / safe_N + intrinsics.cy
    return np.stack([u_N, v_N], axis=1), depth_N


def _in_camera(points_N3: Floats, pose: Pose) -> tuple[Floats, Floats, Floats]:
    """R^T (p - position), by coordinate.

    Written out: for matrices as narrow as these that is several times faster than BLAS, and the same bits everywhere.
    """
    dx_N, dy_N, dz_N = (points_N3[:, axis] - pose.position[axis] for axis in range(3))
    x_N, y_N, z_N = (dx_N * column[0] + dy_N * column[1] + dz_N * column[2] for column in pose.rotation.T)
    return x_N, y_N, z_N


def inside(uv_N2: Floats, intrinsics: Intrinsics) -> Mask:
    """Which projected points fall on a pixel of the image; NaN does not."""
    u_N, v_N = uv_N2[:, 0], uv_N2[:, 1]
    on_columns = (u_N >= -0.5) & (u_N < intrinsics.width - 0.5)
    on_rows = (v_N >= -0.5) & (v_N < intrinsics.height - 0.5)
    mask: Mask = on_columns & on_rows
    return mask


def label_map(points_N3: Floats, label_N: Bytes, pose: Pose, intrinsics: Intrinsics) -> Bytes:
    """Labels per pixel, HW, `UNLABELLED` where no point speaks for a pixel.

    A point speaks for a square patch of the scene, so it covers more pixels the nearer it is. Where several points
    claim a pixel the nearest to the camera wins, since it hides the others.

    Args:
      points_N3: world metres.
      label_N: uint8; points with `UNLABELLED` (smoke, reflections) hide nothing.
      pose: of the camera, valid.
      intrinsics: of the image to label, after resizing.
    """
    uv_N2, depth_N = project(points_N3, pose, intrinsics)
    seen = np.flatnonzero(inside(uv_N2, intrinsics) & (label_N != UNLABELLED))
    columns_N, rows_N = (np.rint(uv_N2[seen, axis]).astype(np.int64) for axis in (0, 1))
    depth_N, label_N = depth_N[seen], label_N[seen]
    reach_N = np.minimum(np.rint(_FOOTPRINT_M * intrinsics.fx / depth_N), _MAX_REACH_PX).astype(np.int64)

    pixels, depths, labels = [], [], []
    for reach in range(_MAX_REACH_PX + 1):
        chosen = reach_N == reach
        pixel, source, ring = _patches(columns_N[chosen], rows_N[chosen], reach, intrinsics)
        pixels.append(pixel)
        depths.append(depth_N[chosen][source] * (1 + _RING_PENALTY * ring))
        labels.append(label_N[chosen][source])
    return _nearest_wins(np.concatenate(pixels), np.concatenate(depths), np.concatenate(labels), intrinsics)


def _patches(columns_N: Ints, rows_N: Ints, reach: int, intrinsics: Intrinsics) -> tuple[Ints, Ints, Ints]:
    """Pixels (flat) of the square patches around points, the point of each, and how far it is from the centre."""
    if reach == 0:  # most points, and they are inside
        return rows_N * intrinsics.width + columns_N, np.arange(len(rows_N)), np.zeros(len(rows_N), np.int64)
    steps = np.arange(-reach, reach + 1)
    dy, dx = (offsets.ravel() for offsets in np.meshgrid(steps, steps, indexing="ij"))
    columns, rows = columns_N[:, None] + dx, rows_N[:, None] + dy
    kept = (columns >= 0) & (columns < intrinsics.width) & (rows >= 0) & (rows < intrinsics.height)
    source, offset = np.nonzero(kept)
    ring = np.maximum(np.abs(dx), np.abs(dy))[offset]
    return (rows * intrinsics.width + columns)[kept], source, ring


def _nearest_wins(pixels: Ints, depths: Floats, labels: Bytes, intrinsics: Intrinsics) -> Bytes:
    """The label of the nearest point at each pixel; of points as near, the last."""
    label_HW = np.full(intrinsics.height * intrinsics.width, UNLABELLED, np.uint8)
    nearest_HW = np.full(label_HW.shape, np.inf)
    np.minimum.at(nearest_HW, pixels, depths)
    wins = depths == nearest_HW[pixels]
    label_HW[pixels[wins]] = labels[wins]  # of repeated pixels the last assignment stays
    return label_HW.reshape(intrinsics.height, intrinsics.width)
