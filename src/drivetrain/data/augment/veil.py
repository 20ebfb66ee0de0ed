"""What air with water in it does to light: a veil over the image, and lidar returns that do not come back."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from drivetrain.data.arrays import Bytes, Floats
from drivetrain.data.augment.view import View
from drivetrain.data.project import inside, project

_UNKNOWN_DEPTH_M = 50.0
"""How far away everything is taken to be where no point tells."""


def veiled(view: View, extinction_per_m: float, airlight: float, rng: np.random.Generator) -> View:
    """The view through air of this extinction.

    The image becomes I t + A (1 - t) with t = exp(-extinction x depth); depth is that of the nearest projected point in
    the image. A lidar point stays with probability exp(-2 x extinction x range): the share of its light that would come
    back.

    Args:
      extinction_per_m: share of light lost, per metre.
      airlight: A, the grey value of the air itself, 0 to 255.
    Source: H. Koschmieder, "Theorie der horizontalen Sichtweite", 1924; Beer-Lambert's law for the points.
    """
    image = view.image_HW3
    if image is not None:
        t_HW1 = np.exp(-extinction_per_m * _depth_m(view, image.shape[:2]))[..., None]
        image = np.rint(image * t_HW1 + airlight * (1 - t_HW1)).astype(np.uint8)
    kept_N = rng.random(0 if view.points_N3 is None else len(view.points_N3)) < np.exp(
        -2 * extinction_per_m * view.ranges_m()
    )
    return replace(view.with_points(kept_N), image_HW3=image)


def _depth_m(view: View, size_HW: tuple[int, ...]) -> Floats:
    """Depth per pixel (HW, float32), that of the nearest pixel where a point falls."""
    if view.points_N3 is None or view.pose is None or view.intrinsics is None:
        return np.full(size_HW, _UNKNOWN_DEPTH_M, np.float32)
    uv_N2, depth_N = project(view.points_N3, view.pose, view.intrinsics)
    seen_N = inside(uv_N2, view.intrinsics)
    if not seen_N.any():
        return np.full(size_HW, _UNKNOWN_DEPTH_M, np.float32)
    columns_N, rows_N = np.rint(uv_N2[seen_N]).astype(np.int64).T
    far_first = np.argsort(-depth_N[seen_N], kind="stable")
    depth_HW = np.zeros(size_HW, np.float32)
    depth_HW[rows_N[far_first], columns_N[far_first]] = depth_N[seen_N][far_first]
    return _filled(depth_HW)


def _filled(depth_HW: Floats) -> Floats:
    """Zeros replaced by the value of the nearest pixel that has one."""
    empty: Bytes = (depth_HW == 0).astype(np.uint8)
    _, nearest_HW = cv2.distanceTransformWithLabels(empty, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    value_of = np.zeros(int(nearest_HW.max()) + 1, depth_HW.dtype)
    known = empty == 0
    value_of[nearest_HW[known]] = depth_HW[known]
    return np.asarray(value_of[nearest_HW])
