"""PandaSet's labels, projected by us, against points drawn by code of this test's own from the published files."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from drivetrain.data import UNLABELLED, open_log
from drivetrain.data.augment import Crop, Flip, Op, Resize, Roll, Sequence, View, generator
from drivetrain.data.classes import merge_table
from drivetrain.data.project import label_map

# The groups' numbers by the publisher's class names; only those that the test compares.
GROUP = {"Road": 0, "Lane Line Marking": 1, "Sidewalk": 2, "Vegetation": 3, "Car": 4, "Pedestrian": 5, "Building": 6}


def drawn_by_hand(folder: Path, sweep: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Points as rows of (column, row, depth, group) that are in the frame nearest in time to a sweep, nearest first;
    and the group of the nearest point on each pixel, 255 where there is none."""
    table = pq.read_table(folder / f"lidar_parquet/{sweep:02d}.parquet").to_pydict()
    classes = pq.read_table(folder / f"annotations/semseg_parquet/{sweep:02d}.parquet").to_pydict()["class"]
    names = json.loads((folder / "annotations/semseg/classes.json").read_text())
    stamps = json.loads((folder / "camera/front_camera/timestamps.json").read_text())
    taken = json.loads((folder / "lidar/timestamps.json").read_text())[sweep]
    frame = min(range(60), key=lambda n: abs(stamps[n] - taken))
    pose = json.loads((folder / "camera/front_camera/poses.json").read_text())[frame]
    lens = json.loads((folder / "camera/front_camera/intrinsics.json").read_text())
    w, x, y, z = (pose["heading"][k] for k in "wxyz")
    rotation = np.array([
        [w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z],
    ])  # fmt: skip
    world = np.array([table["x"], table["y"], table["z"]])
    seen = rotation.T @ (world - np.array([[pose["position"][k]] for k in "xyz"]))
    groups = np.array([GROUP.get(names[str(c)], 254) for c in classes])
    ahead = seen[2] > 0.5
    seen, groups = seen[:, ahead], groups[ahead]
    u = (lens["fx"] * seen[0] / seen[2] + lens["cx"] + 0.5) * width / 1920
    v = (lens["fy"] * seen[1] / seen[2] + lens["cy"] + 0.5) * height / 1080
    order = np.argsort(seen[2])
    points = np.stack([np.floor(u), np.floor(v), seen[2], groups], axis=1)[order]
    points = points[(points[:, :2] >= 0).all(axis=1) & (points[:, :2] < [width, height]).all(axis=1)]
    drawn = np.full((height, width), 255)
    drawn[points[::-1, 1].astype(int), points[::-1, 0].astype(int)] = points[::-1, 3]
    return points, drawn


def nearest(points: np.ndarray, width: int, height: int) -> np.ndarray:
    """Depth of the nearest point on each pixel."""
    depth = np.full((height, width), np.inf, np.float32)
    rows, columns = points[::-1, 1].astype(int), points[::-1, 0].astype(int)
    depth[rows, columns] = points[::-1, 2]
    return depth


def view_of_sweep(folder: Path, sweep: int, width: int, height: int) -> View:
    log = open_log(folder)
    camera, lidar = log.cameras[0], log.lidar()
    at = lidar.labels.index(f"{sweep:02d}")
    frame = int(np.argmin(np.abs(camera.t_ns - lidar.t_ns[at])))
    table, _ = merge_table(log.class_names)
    return View(
        points_N3=lidar.read(at),
        point_label_N=table[log.labels_of(lidar).read(at)],
        pose=log.poses_of(camera).read(frame),
        intrinsics=log.intrinsics[camera.name].resized(width, height),
    )


def labelled(view: View) -> np.ndarray:
    return label_map(view.points_N3, view.point_label_N, view.pose, view.intrinsics)  # type: ignore[arg-type]


@pytest.mark.parametrize("sweep", [0, 26])
def test_projected_labels_agree_with_points_drawn_by_hand(sweep: int, shared_data: Path) -> None:
    folder, width, height = shared_data / "pandaset_002", 480, 270
    points, drawn = drawn_by_hand(folder, sweep, width, height)
    ours = labelled(view_of_sweep(folder, sweep, width, height))
    compared = drawn < 254
    assert compared.sum() > 8000
    assert (ours[compared] != UNLABELLED).all()
    assert (ours == drawn)[compared].mean() > 0.95
    # They differ only where a nearer point, whose patch the test does not draw, hides the point on a pixel.
    own = nearest(points, width, height)
    for group in np.unique(ours[compared]):
        could_be = points[(points[:, 3] == group) | (points[:, 3] == 254)]
        hiding = cv2.erode(nearest(could_be, width, height), np.ones((5, 5), np.uint8))  # the least of 5 x 5 pixels
        differing = compared & (ours != drawn) & (ours == group)
        assert (hiding < own)[differing].all()


@pytest.mark.parametrize("op", [Flip(), Roll(8), Crop(300, 200), Sequence(Flip(), Crop(320, 180), Resize(480, 270))])
def test_real_labels_projected_into_a_changed_view_are_the_changed_labels(op: Op, shared_data: Path) -> None:
    before = view_of_sweep(shared_data / "pandaset_002", 26, 480, 270)
    before = View(
        points_N3=before.points_N3,
        point_label_N=before.point_label_N,
        pose=before.pose,
        intrinsics=before.intrinsics,
        label_HW=labelled(before),
    )
    after = op(before, generator(0, 0, 0))
    both = (after.label_HW != UNLABELLED) & (labelled(after) != UNLABELLED)
    agreeing = (after.label_HW == labelled(after))[both].mean()
    assert both.mean() > 0.1
    assert agreeing > (0.999 if isinstance(op, Flip | Crop) else 0.93)
