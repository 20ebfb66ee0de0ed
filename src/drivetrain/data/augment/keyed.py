"""Operations applied to samples: which parts make up a view, and where chance comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from drivetrain.core.errors import SampleError
from drivetrain.data.augment.compose import Op
from drivetrain.data.augment.view import View
from drivetrain.data.log import Box, Intrinsics, Pose
from drivetrain.data.order import mix

Parts = Mapping[str, Any]
Columns = Mapping[str, Any]
_LENS = ("fx", "fy", "cx", "cy", "width", "height")
_POSE = ("pose_x", "pose_y", "pose_z", "pose_qw", "pose_qx", "pose_qy", "pose_qz")
_FIELDS = {"image": "image_HW3", "label": "label_HW", "points": "points_N3", "point_labels": "point_label_N"}


def generator(seed: int, epoch: int, sample: int) -> np.random.Generator:
    """All chance that augmenting a sample may use: the same on any rank or thread and in any order of samples.

    Args:
      sample: its number in the data set, not its position in the epoch.
    """
    return np.random.Generator(np.random.Philox(mix(seed, epoch, sample)))


@dataclass(frozen=True)
class Augmentation:
    """An operation on views as a change of a sample's parts and columns, for a loader.

    Parts that make up a view: `image` (uint8, HW3), `label` (uint8, HW), `points` (N3, world metres), `point_labels`
    (uint8, N), `boxes` (plain values of `Box`). Columns: `fx fy cx cy width height`, and `pose_x pose_y pose_z pose_qw
    pose_qx pose_qy pose_qz`. All others pass through. None needs to be there.

    Attributes:
      op: what to do, such as `Sequence(Maybe(Flip()), Photometric())`.
    """

    op: Op

    def __call__(
        self, parts: Parts, columns: Columns, rng: np.random.Generator
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Parts and columns of the changed sample. Raises SampleError: they make up no view."""
        return parts_of(self.op(view_of(parts, columns), rng), parts, columns)


def view_of(parts: Parts, columns: Columns) -> View:
    """The view that a sample's parts and columns make up. Raises SampleError: they do not fit together."""
    arrays: dict[str, NDArray[Any]] = {field: parts[name] for name, field in _FIELDS.items() if name in parts}
    try:
        return View(
            **arrays,
            boxes=msgspec.convert(parts.get("boxes", ()), tuple[Box, ...]),
            pose=_pose(columns),
            intrinsics=_intrinsics(columns),
        )
    except (ValueError, msgspec.ValidationError) as exc:
        raise SampleError(f"a sample's parts make up no view: {exc}") from exc


def parts_of(view: View, parts: Parts, columns: Columns) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a sample becomes: the parts and columns it had, with those that the view holds put in."""
    changed = {name: getattr(view, field) for name, field in _FIELDS.items() if name in parts}
    if "boxes" in parts:
        changed["boxes"] = msgspec.to_builtins(view.boxes)
    told: dict[str, Any] = {}
    if view.intrinsics is not None:
        told |= {name: getattr(view.intrinsics, name) for name in _LENS}
    if view.pose is not None:
        told |= dict(zip(_POSE, (*view.pose.position, *view.pose.heading), strict=True))
    return {**parts, **changed}, {**columns, **told}


def _intrinsics(columns: Columns) -> Intrinsics | None:
    values = [columns.get(name) for name in _LENS]
    return None if None in values else msgspec.convert(dict(zip(_LENS, values, strict=True)), Intrinsics)


def _pose(columns: Columns) -> Pose | None:
    values = [columns.get(name) for name in _POSE]
    if None in values:
        return None
    x, y, z, w, a, b, c = map(float, values)  # type: ignore[arg-type]  # none of them is None
    return Pose((x, y, z), (w, a, b, c))
