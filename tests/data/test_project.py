from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.data import UNLABELLED, Log, colour_labels, open_log
from drivetrain.data.log import Intrinsics, Pose
from drivetrain.data.project import inside, label_map, project

FORWARD = Pose((0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0))
LENS = Intrinsics(100.0, 100.0, 31.5, 17.5, 64, 36)


def test_projection_agrees_with_one_written_by_hand_from_the_published_files(shared_data: Path) -> None:
    folder = shared_data / "pandaset_002"
    listed = json.loads((folder / "camera/front_camera/poses.json").read_text())[10]
    lens = json.loads((folder / "camera/front_camera/intrinsics.json").read_text())
    log = open_log(folder)
    camera = log.cameras[0]
    points = log.lidar().read(5)

    # Turn by the quaternion's conjugate: p + 2 v x (v x p + w p) with v negated.
    p = points - [listed["position"][a] for a in "xyz"]
    w, v = listed["heading"]["w"], -np.array([listed["heading"][a] for a in "xyz"])
    q = p + 2 * np.cross(v, np.cross(v, p) + w * p)
    ahead = q[:, 2] > 0.5
    by_hand = np.stack([lens["fx"] * q[:, 0] / q[:, 2] + lens["cx"], lens["fy"] * q[:, 1] / q[:, 2] + lens["cy"]], 1)

    uv, depth = project(points, log.poses_of(camera).read(10), log.intrinsics[camera.name])
    np.testing.assert_allclose(depth, q[:, 2], atol=1e-9)
    np.testing.assert_allclose(uv[ahead], by_hand[ahead], rtol=1e-9, atol=1e-6)
    assert np.isnan(uv[~ahead]).all()


@given(
    size=st.tuples(st.integers(1, 4000), st.integers(1, 4000)),
    x=st.floats(-20, 20),
    y=st.floats(-20, 20),
    z=st.floats(1, 100),
)
def test_resizing_intrinsics_then_projecting_is_projecting_then_resizing(
    size: tuple[int, int], x: float, y: float, z: float
) -> None:
    point = np.array([[x, y, z]])
    (before,), _ = project(point, FORWARD, LENS)
    (after,), _ = project(point, FORWARD, LENS.resized(*size))
    edges = (before + 0.5) * [size[0] / LENS.width, size[1] / LENS.height] - 0.5  # image edges stay image edges
    np.testing.assert_allclose(after, edges, rtol=1e-9, atol=1e-6)


def test_the_nearest_point_wins_a_pixel_whatever_the_order() -> None:
    points = np.array([[0.0, 0.0, 30.0], [0.0, 0.0, 20.0], [0.0, 0.0, 40.0]])
    for order in ([0, 1, 2], [1, 2, 0], [2, 1, 0]):
        label = label_map(points[order], np.array([5, 4, 3], np.uint8)[order], FORWARD, LENS)
        assert label[18, 32] == 4 or label[17, 31] == 4
        assert set(np.unique(label)) == {4, UNLABELLED}


def test_a_near_point_covers_more_pixels_than_a_far_one() -> None:
    def covered(depth: float) -> int:
        return int((label_map(np.array([[0.0, 0.0, depth]]), np.zeros(1, np.uint8), FORWARD, LENS) == 0).sum())

    assert covered(50.0) == 1
    assert covered(1.5) > covered(4.0) > 1


def test_points_behind_the_camera_beside_the_image_or_of_no_class_leave_no_label() -> None:
    points = np.array([[0.0, 0.0, -5.0], [50.0, 0.0, 5.0], [np.nan, 0.0, 5.0], [0.0, 0.0, 5.0]])
    label = label_map(points, np.array([1, 1, 1, UNLABELLED], np.uint8), FORWARD, LENS)
    assert (label == UNLABELLED).all()


def test_a_pixel_reaches_half_a_pixel_round_its_centre() -> None:
    uv = np.array([[-0.5, 0.0], [-0.51, 0.0], [63.49, 35.49], [63.5, 0.0], [np.nan, 0.0]])
    assert inside(uv, LENS).tolist() == [True, False, True, False, False]


def test_projected_labels_of_the_generated_drive_agree_with_its_exact_truth(small_log: Log) -> None:
    camera, lidar = small_log.cameras[0], small_log.lidar()
    from drivetrain.data.classes import merge_table

    table, unknown = merge_table(small_log.class_names)
    assert unknown == []
    label = label_map(
        lidar.read(20),
        table[small_log.labels_of(lidar).read(20)],
        small_log.poses_of(camera).read(10),
        small_log.intrinsics[camera.name],
    )
    truth = small_log.streams["pixel_labels/front"].read(10)
    both = (label != UNLABELLED) & (truth != UNLABELLED)
    assert both.mean() > 0.4
    assert (label[both] == truth[both]).mean() > 0.93


def test_a_calibration_error_moves_labels_off_the_truth(small_log: Log) -> None:
    from drivetrain.data import SynthSpec, synth

    wrong = synth(SynthSpec(duration_s=1.6, width=160, height=90, calibration_yaw_deg=3.0))
    right_pose, wrong_pose = (log.poses_of(log.cameras[0]).read(0) for log in (small_log, wrong))
    cosine = (right_pose.rotation[:, 2] * wrong_pose.rotation[:, 2]).sum()
    assert np.degrees(np.arccos(cosine)) == pytest.approx(3.0, abs=0.01)


def test_a_picture_of_labels_has_one_colour_per_group_and_black_for_none() -> None:
    picture = colour_labels(np.array([[0, 1, 255]], np.uint8))
    assert picture.shape == (1, 3, 3)
    assert len({tuple(pixel) for pixel in picture[0].tolist()}) == 3
    assert picture[0, 2].tolist() == [0, 0, 0]
