from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.data.augment import CutMix, SectorMix, View, generator
from drivetrain.data.log import Box, Intrinsics, Pose
from drivetrain.data.project import inside, project

LENS = Intrinsics(60.0, 55.0, 31.0, 20.0, 64, 40)
seeds = st.integers(0, 2**32)


def seen_by(number: int) -> View:
    """A view whose picture, labels and points all say which view they are of; cameras differ in place and heading."""
    rng = np.random.default_rng(number)
    pose = Pose(tuple(rng.normal(0, 30, 3).tolist()), tuple(rng.normal(0, 1, 4).tolist()))
    depth = rng.uniform(2, 40, 300)
    ahead = np.stack([rng.uniform(-0.7, 0.7, 300) * depth, rng.uniform(-0.5, 0.5, 300) * depth, depth], axis=1)
    return View(
        image_HW3=np.full((40, 64, 3), number, np.uint8),
        label_HW=np.full((40, 64), number, np.uint8),
        points_N3=ahead @ pose.rotation.T + np.array(pose.position),
        point_label_N=np.full(300, number, np.uint8),
        pose=pose,
        intrinsics=LENS,
    )


def turn_of(number: int, heading_rad: float) -> View:
    """A lidar turn without an image: points of one class on a box's corners and all round."""
    rng = np.random.default_rng(number)
    pose = Pose((100.0 * number, 5.0, 1.5), (np.cos(heading_rad / 2), 0, 0, np.sin(heading_rad / 2)))
    # The camera's z axis is level: x right, y down, z forward, turned about the vertical.
    w, z = pose.heading[0], pose.heading[3]
    pose = replace(pose, heading=(0.5 * (w + z), -0.5 * (w + z), 0.5 * (w - z), 0.5 * (z - w)))
    points = rng.normal(0, 20, (150, 3)) + np.array(pose.position)
    x, y, z = pose.position
    box = Box("car", (x + 8.0, y + 6.0, z), (4, 2, 1.5), 0.3 * number, f"{number}", (1.0, 0.5))
    labels = np.full(150, number, np.uint8)
    return View(points_N3=points, point_label_N=labels, boxes=(box,), pose=pose)


@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_in_a_patch_and_only_there_pixels_labels_and_points_are_of_the_other_view(seed: int) -> None:
    view, other = seen_by(1), seen_by(2)
    after = CutMix([other])(view, generator(seed, 0, 0))
    assert after.image_HW3 is not None
    assert after.points_N3 is not None
    assert after.point_label_N is not None
    np.testing.assert_array_equal(after.image_HW3[..., 0], after.label_HW)
    assert after.label_HW.mean() < 1.45  # type: ignore[union-attr]
    uv, _ = project(after.points_N3, after.pose, LENS)  # type: ignore[arg-type]
    on = inside(uv, LENS)
    columns, rows = np.rint(uv[on]).astype(int).T
    assert (after.label_HW[rows, columns] == after.point_label_N[on]).mean() > 0.99  # type: ignore[index]
    assert view.image_HW3.max() == 1  # type: ignore[union-attr]


def test_cut_mix_refuses_boxes_other_cameras_and_views_that_lack_parts() -> None:
    view, rng = seen_by(1), generator(0, 0, 0)
    for other in (
        replace(view, boxes=turn_of(1, 0).boxes),
        replace(view, intrinsics=replace(LENS, fx=61.0)),
        replace(view, label_HW=None),
        replace(view, pose=None),
    ):
        with pytest.raises(ValueError, match="CutMix"):
            CutMix([other])(view, rng)
    with pytest.raises(ValueError, match="0 other views"):
        CutMix([])


@settings(max_examples=30, deadline=None)
@given(seed=seeds, here=st.floats(-3, 3), there=st.floats(-3, 3))
def test_points_and_boxes_of_another_turn_keep_range_height_and_bearing(seed: int, here: float, there: float) -> None:
    view, other = turn_of(1, here), turn_of(2, there)
    after = SectorMix([other])(view, generator(seed, 0, 0))
    assert after.points_N3 is not None
    assert after.point_label_N is not None
    for number, source in ((1, view), (2, other)):
        found = (after.points_N3[after.point_label_N == number] - np.array(view.pose.position)) @ view.pose.rotation  # type: ignore[union-attr]
        all_of_it = (source.points_N3 - np.array(source.pose.position)) @ source.pose.rotation  # type: ignore[union-attr,operator]
        distance = np.abs(found[:, None] - all_of_it[None]).max(axis=2).min(axis=1)
        assert distance.max(initial=0) < 1e-9  # each is a point that this sensor saw, as it saw it
        for box in (b for b in after.boxes if b.track == str(number)):
            (old,) = source.boxes
            seen = [
                v.pose.rotation.T @ (np.array(b.centre) - np.array(v.pose.position))  # type: ignore[union-attr]
                for v, b in ((source, old), (view, box))
            ]
            np.testing.assert_allclose(seen[0], seen[1], atol=1e-9)
            turned = [math.remainder(box.yaw - old.yaw, math.tau), there - here if number == 2 else 0.0]
            assert abs(math.remainder(turned[0] + turned[1], math.tau)) < 1e-9
            assert np.hypot(*box.velocity) == pytest.approx(np.hypot(1.0, 0.5))  # type: ignore[misc]


def test_sector_mix_refuses_views_with_pixels() -> None:
    with pytest.raises(ValueError, match="pixels"):
        SectorMix([seen_by(1)])(turn_of(1, 0.0), generator(0, 0, 0))
    with pytest.raises(ValueError, match="other lacks"):
        SectorMix([replace(turn_of(2, 0.0), pose=None)])(turn_of(1, 0.0), generator(0, 0, 0))
