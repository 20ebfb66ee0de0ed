"""A patch of another view, with its labels and points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from drivetrain.data.arrays import Floats, Mask
from drivetrain.data.augment.view import View
from drivetrain.data.log import Intrinsics, Pose
from drivetrain.data.project import project

Patch = tuple[int, int, int, int]  # left, top, right, bottom: columns left .. right-1, rows top .. bottom-1


@dataclass(frozen=True)
class CutMix:
    """A rectangle of another view's image and labels, at the same place, and the points that are seen through it.

    Points come along as the other camera saw them: moved from its pose to this one's, they fall on the same pixels.
    Boxes are refused, since a box cut by the edge of the patch is neither here nor there.

    Attributes:
      others: views of the same size and the same intrinsics, to be drawn from.
      max_share: of the image, the largest area of the patch.
    Source: S. Yun et al., "CutMix", ICCV 2019 (images and labels).
    """

    others: Sequence[View] = field(repr=False)
    max_share: float = 0.4

    def __post_init__(self) -> None:
        if not len(self.others) or not 0 < self.max_share <= 1:
            raise ValueError(
                f"CutMix has {len(self.others)} other views and max_share {self.max_share}; "
                "expected one or more, and a share above 0 and at most 1"
            )

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """Raises ValueError: the other view has another camera, other parts, or one of the two has boxes."""
        other = self.others[int(rng.integers(len(self.others)))]
        _check(view, other)
        if view.size is None:
            return view
        patch = _patch(*view.size, rng.uniform(0, self.max_share), rng)
        return _points_mixed(_pixels_mixed(view, other, patch), other, patch)


def _check(view: View, other: View) -> None:
    if view.boxes or other.boxes:
        raise ValueError("CutMix was given a view with boxes; a box cut by the patch's edge would be wrong")
    if view.size != other.size or view.intrinsics != other.intrinsics:
        raise ValueError(f"CutMix mixes views of one camera, but was given {view.intrinsics} and {other.intrinsics}")
    parts = [[part is None for part in (v.image_HW3, v.label_HW, v.points_N3, v.point_label_N)] for v in (view, other)]
    if parts[0] != parts[1]:
        raise ValueError("CutMix was given two views of which one has parts that the other lacks")
    if view.points_N3 is not None and None in (view.pose, other.pose, view.intrinsics):
        raise ValueError("CutMix needs poses and intrinsics to tell which points lie in the patch")


def _patch(width: int, height: int, share: float, rng: np.random.Generator) -> Patch:
    side = np.sqrt(share)
    columns, rows = max(1, round(side * width)), max(1, round(side * height))
    left, top = int(rng.integers(width - columns + 1)), int(rng.integers(height - rows + 1))
    return left, top, left + columns, top + rows


def _pixels_mixed(view: View, other: View, patch: Patch) -> View:
    left, top, right, bottom = patch
    mixed = {}
    for name in ("image_HW3", "label_HW"):
        pixels, others = getattr(view, name), getattr(other, name)
        if pixels is not None:
            mixed[name] = pixels.copy()
            mixed[name][top:bottom, left:right] = others[top:bottom, left:right]
    return replace(view, **mixed)


def _points_mixed(view: View, other: View, patch: Patch) -> View:
    if view.points_N3 is None or other.points_N3 is None or view.pose is None or other.pose is None:
        return view
    assert view.intrinsics is not None  # checked before
    stay_N = ~_within(view.points_N3, view.pose, view.intrinsics, patch)
    come_N = _within(other.points_N3, other.pose, view.intrinsics, patch)
    staying, coming = view.with_points(stay_N), other.with_points(come_N)
    assert staying.points_N3 is not None
    assert coming.points_N3 is not None
    seen_N3 = (coming.points_N3 - np.asarray(other.pose.position)) @ other.pose.rotation
    here_N3 = seen_N3 @ view.pose.rotation.T + np.asarray(view.pose.position)
    labels = (staying.point_label_N, coming.point_label_N)
    return replace(
        view,
        points_N3=np.concatenate([staying.points_N3, here_N3.astype(staying.points_N3.dtype)]),
        point_label_N=None if labels[0] is None or labels[1] is None else np.concatenate([labels[0], labels[1]]),
    )


def _within(points_N3: Floats, pose: Pose, lens: Intrinsics, patch: Patch) -> Mask:
    """Which points fall on a pixel of the patch."""
    uv_N2, _ = project(points_N3, pose, lens)
    low, high = np.array(patch[:2]) - 0.5, np.array(patch[2:]) - 0.5
    return np.asarray(((uv_N2 >= low) & (uv_N2 < high)).all(axis=1))
