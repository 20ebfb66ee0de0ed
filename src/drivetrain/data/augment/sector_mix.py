"""A sector of another lidar turn, with its boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from drivetrain.data.arrays import Floats, Mask
from drivetrain.data.augment.turn_world import moved
from drivetrain.data.augment.view import View


@dataclass(frozen=True)
class SectorMix:
    """What lies in one sector round the sensor, taken from another view: points, classes and boxes.

    The other view is put where this one is, facing the same way, by a turn about the vertical and a shift, so that
    points keep their ranges and heights and boxes stay round their points. A box goes where its centre is; the points
    that the sector's edge cuts off are lost. Views with an image are refused: the image would not show what is there.

    Attributes:
      others: to be drawn from; each has a pose if and only if this view has one.
      max_deg: the widest sector.
    Source: A. Xiao et al., "PolarMix", NeurIPS 2022 (its exchange of sectors).
    """

    others: Sequence[View] = field(repr=False)
    max_deg: float = 180.0

    def __post_init__(self) -> None:
        if not len(self.others) or not 0 < self.max_deg <= 360:
            raise ValueError(
                f"SectorMix has {len(self.others)} other views and max_deg {self.max_deg}; "
                "expected one or more, and above 0 and at most 360 degrees"
            )

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """Raises ValueError: a view has pixels, or only one of the two has a pose, points, or classes."""
        other = self.others[int(rng.integers(len(self.others)))]
        start, width = rng.uniform(-np.pi, np.pi), rng.uniform(0, np.radians(self.max_deg))
        _check(view, other)
        origin, other_origin = _origin(view), _origin(other)
        here = moved(other, _facing_rad(view) - _facing_rad(other), other_origin, origin)

        def in_sector(points_N3: Floats) -> Mask:
            azimuth_N = np.arctan2(points_N3[:, 1] - origin[1], points_N3[:, 0] - origin[0])
            mask: Mask = (azimuth_N - start) % (2 * np.pi) < width
            return mask

        return _joined(_part(view, lambda points: ~in_sector(points)), _part(here, in_sector))


def _check(view: View, other: View) -> None:
    if any(v.image_HW3 is not None or v.label_HW is not None for v in (view, other)):
        raise ValueError("SectorMix was given a view with pixels, which would no longer show what is there")
    parts = [[part is None for part in (v.points_N3, v.point_label_N, v.pose)] for v in (view, other)]
    if parts[0] != parts[1]:
        raise ValueError(
            "SectorMix was given two views of which one has points, classes or a pose that the other lacks"
        )


def _origin(view: View) -> Floats:
    return np.zeros(3) if view.pose is None else np.asarray(view.pose.position, np.float64)


def _facing_rad(view: View) -> float:
    """Azimuth of the camera's optical axis in the world."""
    return 0.0 if view.pose is None else float(np.arctan2(view.pose.rotation[1, 2], view.pose.rotation[0, 2]))


def _part(view: View, chosen: Callable[[Floats], Mask]) -> View:
    boxes = tuple(box for box in view.boxes if chosen(np.array([box.centre]))[0])
    kept = view if view.points_N3 is None else view.with_points(chosen(view.points_N3))
    return replace(kept, boxes=boxes)


def _joined(view: View, other: View) -> View:
    points, labels = view.points_N3, view.point_label_N
    if points is not None and other.points_N3 is not None:
        points = np.concatenate([points, other.points_N3])
    if labels is not None and other.point_label_N is not None:
        labels = np.concatenate([labels, other.point_label_N])
    return replace(view, points_N3=points, point_label_N=labels, boxes=view.boxes + other.boxes)
