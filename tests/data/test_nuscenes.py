from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivetrain.core.errors import DataError, SampleError
from drivetrain.data import CLASSES, Log, build_dataset, check, encode_jpeg, open_log
from drivetrain.data.log import Box
from drivetrain.data.project import project

T0_US = 1_532_402_927_000_000
EAST, NORTH = [1.0, 0.0, 0.0, 0.0], [math.sqrt(0.5), 0.0, 0.0, math.sqrt(0.5)]
FORWARD = [0.5, -0.5, 0.5, -0.5]  # a camera that looks along the vehicle's x
POINTS = np.array([[8.0, 0.0, 0.5, 90, 3], [6.0, 1.0, 0.2, 20, 4]], np.float32)  # in the lidar's coordinates


def write_scene(root: Path, version: str = "v1.0-mini", names: tuple[str, ...] = ("scene-0061",)) -> Path:
    """Scenes of two key frames half a second apart and one sweep between; the vehicle drives north, 10 m a second."""
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in ("scene", "sample", "sample_data", "ego_pose")}
    tables |= {
        "sensor": [
            {"token": "cam", "channel": "CAM_FRONT", "modality": "camera"},
            {"token": "lidar", "channel": "LIDAR_TOP", "modality": "lidar"},
            {"token": "radar", "channel": "RADAR_FRONT", "modality": "radar"},
        ],
        "calibrated_sensor": [
            {
                "token": f"of-{sensor}",
                "sensor_token": sensor,
                "translation": [1.0, 0.0, 1.5],
                "rotation": FORWARD if sensor == "cam" else EAST,
                "camera_intrinsic": [[40.0, 0, 32.0], [0, 40.0, 18.0], [0, 0, 1]] if sensor == "cam" else [],
            }
            for sensor in ("cam", "lidar", "radar")
        ],
        "category": [{"token": "car", "name": "vehicle.car", "index": 17}],
        "instance": [],
        "sample_annotation": [],
        "lidarseg": [],
    }
    for scene in names:
        tables["scene"].append({"token": scene, "name": scene, "description": "", "nbr_samples": 2})
        tables["instance"].append({"token": f"{scene}-thing", "category_token": "car"})
        for step in (0, 1, 2):
            _add_moment(root, tables, version, scene, step)
    for name, rows in tables.items():
        file = root / version / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(rows))
    return root


def _add_moment(root: Path, tables: dict[str, list[dict[str, Any]]], version: str, scene: str, step: int) -> None:
    t_us, key = T0_US + 250_000 * step, f"{scene}-{step - step % 2}"
    north = 2.5 * step
    if step % 2 == 0:
        tables["sample"].append({"token": key, "timestamp": t_us, "scene_token": scene, "prev": "", "next": ""})
        tables["sample_annotation"].append(
            {
                "token": f"{key}-box",
                "sample_token": key,
                "instance_token": f"{scene}-thing",
                "translation": [100.0, 210.0 + north, 1.0],
                "size": [2.0, 4.0, 1.5],
                "rotation": NORTH,
            }
        )
    for sensor, channel, ending, content in (
        ("cam", "CAM_FRONT", "jpg", encode_jpeg(np.full((36, 64, 3), 90 + step, np.uint8))),
        ("lidar", "LIDAR_TOP", "pcd.bin", POINTS.tobytes()),
        ("radar", "RADAR_FRONT", "pcd", b"# .PCD v0.7"),
    ):
        token = f"{scene}-{channel}-{step}"
        name = f"{'sweeps' if step % 2 else 'samples'}/{channel}/{token}.{ending}"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
        tables["ego_pose"].append(
            {"token": token, "timestamp": t_us, "translation": [100.0, 200.0 + north, 0.0], "rotation": NORTH}
        )
        tables["sample_data"].append(
            {
                "token": token,
                "timestamp": t_us,
                "sample_token": key,
                "ego_pose_token": token,
                "calibrated_sensor_token": f"of-{sensor}",
                "filename": name,
                "fileformat": ending,
                "is_key_frame": step % 2 == 0,
                "width": 64 if sensor == "cam" else 0,
                "height": 36 if sensor == "cam" else 0,
            }
        )
        if sensor == "lidar" and step % 2 == 0:
            classes = f"lidarseg/{version}/{token}_lidarseg.bin"
            (root / classes).parent.mkdir(parents=True, exist_ok=True)
            (root / classes).write_bytes(bytes([17, 17]))
            tables["lidarseg"].append({"token": token, "sample_data_token": token, "filename": classes})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_scene(tmp_path / "nuscenes")


@pytest.fixture
def log(root: Path) -> Log:
    return open_log(root)


def _edit(root: Path, table: str, change: Callable[[list[Any]], object]) -> None:
    file = root / "v1.0-mini" / f"{table}.json"
    rows = json.loads(file.read_text())
    change(rows)
    file.write_text(json.dumps(rows))


def test_each_sensor_is_a_stream_of_samples_and_sweeps(log: Log) -> None:
    assert {name: len(stream) for name, stream in log.streams.items()} == {
        "boxes/LIDAR_TOP": 2,
        "camera/CAM_FRONT": 3,
        "lidar/LIDAR_TOP": 3,
        "message/RADAR_FRONT": 3,
        "point_labels/LIDAR_TOP": 2,
        "pose/CAM_FRONT": 3,
        "pose/ego": 3,
    }
    assert (log.name, log.source, log.class_names, log.notes) == ("scene-0061", "nuscenes", {17: "vehicle.car"}, ())
    assert log.cameras[0].t_ns.tolist() == [1000 * (T0_US + 250_000 * step) for step in (0, 1, 2)]
    assert check(log).verdict in ("ok", "warn", "fail")


def test_a_cameras_pose_is_the_vehicles_at_the_frames_time_and_where_it_is_mounted(log: Log) -> None:
    pose = log.poses_of(log.cameras[0]).read(1)
    assert pose.position == pytest.approx((100.0, 203.5, 1.5))  # 2.5 m on, and mounted a metre ahead
    np.testing.assert_allclose(pose.rotation[:, 2], [0, 1, 0], atol=1e-12)  # it looks north
    np.testing.assert_allclose(pose.rotation[:, 1], [0, 0, -1], atol=1e-12)


def test_points_are_in_the_world_and_fall_where_the_camera_sees_them(log: Log) -> None:
    points = log.lidar().read(2)
    np.testing.assert_allclose(points, [[100.0, 214.0, 2.0], [99.0, 212.0, 1.7]])
    uv, depth = project(points, log.poses_of(log.cameras[0]).read(2), log.intrinsics["camera/CAM_FRONT"])
    np.testing.assert_allclose(depth, [8.0, 6.0])
    np.testing.assert_allclose(uv, [[32.0, 18 - 40 * 0.5 / 8], [32 - 40 / 6, 18 - 40 * 0.2 / 6]])


def test_boxes_have_length_before_width_tracks_and_velocities(log: Log) -> None:
    (box,) = log.streams["boxes/LIDAR_TOP"].read(0)  # type: ignore[misc]
    assert isinstance(box, Box)
    assert (box.label, box.size, box.track) == ("vehicle.car", (4.0, 2.0, 1.5), "scene-0061-thing")
    assert box.yaw == pytest.approx(math.pi / 2)
    assert box.velocity == pytest.approx((0.0, 10.0))


def test_a_scene_of_several_is_opened_by_its_name(tmp_path: Path) -> None:
    root = write_scene(tmp_path / "nuscenes", names=("scene-0061", "scene-0103"))
    with pytest.raises(DataError, match="has 2 scenes") as caught:
        open_log(root)
    assert "scene-0061" in caught.value.hint
    for path in (root / "scene-0103", root / "v1.0-mini" / "scene-0103"):
        log = open_log(path)
        assert (log.name, len(log.cameras[0])) == ("scene-0103", 3)
    with pytest.raises(DataError, match="no scene 'scene-9'") as caught:
        open_log(root / "scene-9")
    assert "scene-0061, scene-0103" in caught.value.hint


def test_of_several_versions_one_is_named(root: Path) -> None:
    write_scene(root, version="v1.0-test")
    with pytest.raises(DataError, match=r"2 versions: v1\.0-mini, v1.0-test"):
        open_log(root)
    assert open_log(root / "v1.0-test").name == "scene-0061"


def test_a_segmented_scene_becomes_a_data_set(log: Log, tmp_path: Path) -> None:
    dataset = build_dataset(log, tmp_path / "set", size=(64, 36), held_out=0)
    assert len(dataset) == 2
    assert (dataset.read(0).label == CLASSES.index("vehicle")).any()


def test_files_that_are_not_there_are_counted(root: Path) -> None:
    next((root / "sweeps/CAM_FRONT").iterdir()).unlink()
    log = open_log(root)
    assert (len(log.cameras[0]), log.cameras[0].num_listed) == (2, 3)
    assert log.notes == ("1 of 3 files of CAM_FRONT are not there",)


def test_a_scenes_hash_changes_with_its_files(root: Path) -> None:
    before = open_log(root).content_hash()
    assert before == open_log(root).content_hash()
    next((root / "sweeps/LIDAR_TOP").iterdir()).write_bytes(POINTS[:1].tobytes())
    assert open_log(root).content_hash() != before


@pytest.mark.parametrize(
    ("table", "change", "words"),
    [
        ("calibrated_sensor", lambda r: r[0].update(camera_intrinsic=[[0, 0, 1], [0, 4, 1], [0, 0, 1]]), "fx 0.0"),
        ("calibrated_sensor", lambda r: r[0].update(camera_intrinsic=[[1.0]]), "no matrix of 3 x 3"),
        ("calibrated_sensor", lambda r: r.pop(), "calibrated_sensor.json has no row 'of-radar'"),
        ("sensor", lambda r: r.clear(), "sensor.json has no row"),
        ("category", lambda r: r.clear(), "category.json has no row 'car'"),
        ("sample_data", lambda r: r[0].update(filename="../../etc/passwd"), "names a file '../../etc/passwd'"),
        ("sample_data", lambda r: r[0].update(filename="/etc/passwd"), "names a file '/etc/passwd'"),
        ("sample_data", lambda r: r[0].update(timestamp=-1), "stamps a row with -1"),
        ("sample_data", lambda r: r[0].update(width=None), "images of 0x36"),
        ("ego_pose", lambda r: r[0].pop("rotation"), "ego_pose.json is not what nuScenes publishes.*rotation"),
    ],
)
def test_wrong_tables_are_one_clear_error(
    root: Path, table: str, change: Callable[[list[Any]], object], words: str
) -> None:
    _edit(root, table, change)
    with pytest.raises(DataError, match=words):
        open_log(root)


@pytest.mark.parametrize("table", ["scene", "sample", "sample_data", "ego_pose", "sample_annotation", "instance"])
def test_a_table_cut_short_or_missing_is_named(root: Path, table: str) -> None:
    file = root / "v1.0-mini" / f"{table}.json"
    file.write_text(file.read_text()[:-7])
    with pytest.raises(DataError, match=f"{table}.json is not what nuScenes publishes"):
        open_log(root)
    if table not in ("scene", "sample_data"):  # these are what nuScenes is recognised by
        file.unlink()
        with pytest.raises(DataError, match=f"cannot read .*{table}.json"):
            open_log(root)


def test_damaged_messages_are_named_when_they_are_read(root: Path) -> None:
    log = open_log(root)
    points, image = (
        next((root / "samples/LIDAR_TOP").glob("*0.pcd.bin")),
        next((root / "samples/CAM_FRONT").glob("*0.jpg")),
    )
    points.write_bytes(POINTS.tobytes()[:-3])
    image.write_bytes(image.read_bytes()[:40])
    with pytest.raises(SampleError, match=f"{points.name} has 37 bytes"):
        log.lidar().read(0)
    with pytest.raises(SampleError, match=image.name):
        log.cameras[0].read(0)


def test_a_pose_that_is_missing_is_an_error_of_its_message(root: Path) -> None:
    _edit(root, "ego_pose", lambda rows: rows.pop(0))
    log = open_log(root)
    with pytest.raises(DataError, match=r"ego_pose.json has no row"):
        log.poses_of(log.cameras[0]).read(0)
