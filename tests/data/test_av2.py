from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather

from drivetrain.core.errors import DataError, SampleError
from drivetrain.data import Log, check, encode_jpeg, open_log
from drivetrain.data.log import Box, Lane
from drivetrain.data.project import project

T0_NS = 315_968_385_323_640_000
NORTH = (math.sqrt(0.5), 0.0, 0.0, math.sqrt(0.5))
CAMERA_NS, LIDAR_NS = [T0_NS + n * 50_000_000 for n in range(4)], [T0_NS + 7 + n * 100_000_000 for n in range(2)]


def _pose_columns(turns: list[tuple[float, ...]], places: list[tuple[float, ...]]) -> dict[str, list[float]]:
    return {
        **{name: [turn[i] for turn in turns] for i, name in enumerate(("qw", "qx", "qy", "qz"))},
        **{name: [place[i] for place in places] for i, name in enumerate(("tx_m", "ty_m", "tz_m"))},
    }


def _write(file: Path, **columns: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    feather.write_feather(pa.table(columns), str(file), compression="lz4")


def write_log(folder: Path) -> Path:
    """A vehicle that drives north at 10 m a second, a car that it follows at the same speed, and two lanes."""
    stamps = sorted(CAMERA_NS + LIDAR_NS)
    ahead = [(500.0, 800.0 + 10 * (t - T0_NS) / 1e9, 20.0) for t in stamps]
    _write(folder / "city_SE3_egovehicle.feather", timestamp_ns=stamps, **_pose_columns([NORTH] * len(stamps), ahead))
    calibration = folder / "calibration"
    _write(
        calibration / "egovehicle_SE3_sensor.feather",
        sensor_name=["ring_front_center", "up_lidar"],
        **_pose_columns([(0.5, -0.5, 0.5, -0.5), (1, 0, 0, 0)], [(1.5, 0, 1.4), (1.3, 0, 1.6)]),
    )
    numbers = {"fx_px": 40.0, "fy_px": 40.0, "cx_px": 18.0, "cy_px": 32.0, "k1": 0.0, "height_px": 64, "width_px": 36}
    _write(
        calibration / "intrinsics.feather",
        sensor_name=["ring_front_center", "stereo_front_left"],
        **{k: [v, v] for k, v in numbers.items()},
    )
    cameras = folder / "sensors/cameras/ring_front_center"
    cameras.mkdir(parents=True)
    for t_ns in CAMERA_NS:
        (cameras / f"{t_ns}.jpg").write_bytes(encode_jpeg(np.full((64, 36, 3), 99, np.uint8)))
    for t_ns in LIDAR_NS:
        points = {axis: np.array(v, np.float16) for axis, v in (("x", [9.5, 7.5]), ("y", [0, 1]), ("z", [1.4, 0.4]))}
        _write(folder / f"sensors/lidar/{t_ns}.feather", **points, intensity=np.array([9, 9], np.uint8))
    _write(
        folder / "annotations.feather",
        timestamp_ns=LIDAR_NS,
        track_uuid=["a", "a"],
        category=["REGULAR_VEHICLE"] * 2,
        length_m=[4.0] * 2,
        width_m=[2.0] * 2,
        height_m=[1.5] * 2,
        **_pose_columns([(1, 0, 0, 0)] * 2, [(20.0, 1.0, 0.5)] * 2),
        num_interior_pts=[7, 9],
    )
    _write_map(folder / "map/log_map_archive_a____PIT_city_1.json")
    return folder


def _write_map(file: Path) -> None:
    def line(x: float, *ys: float) -> list[dict[str, float]]:
        return [{"x": x, "y": y, "z": 20.0} for y in ys]

    segments = {
        "1": {
            "left_lane_boundary": line(-2, 0, 10),
            "right_lane_boundary": line(2, 0, 1, 10),
            "successors": [3],
            "left_neighbor_id": 2,
            "right_neighbor_id": 4,
        },
        "2": {"left_lane_boundary": line(-2, 10, 0), "right_lane_boundary": line(-6, 10, 0), "successors": []},
        "4": {"left_lane_boundary": line(2, 0, 10), "right_lane_boundary": line(6, 0, 10), "successors": []},
    }
    both = {"left_neighbor_id": None, "right_neighbor_id": None, "lane_type": "VEHICLE", "is_intersection": False}
    file.parent.mkdir()
    rows = {name: {**both, "id": int(name), **segment} for name, segment in segments.items()}
    file.write_text(json.dumps({"lane_segments": rows, "pedestrian_crossings": {}, "drivable_areas": {}}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_log(tmp_path / "0a1b")


@pytest.fixture
def log(folder: Path) -> Log:
    return open_log(folder)


def _rewrite(file: Path, **columns: object) -> None:
    table = feather.read_table(str(file), memory_map=False)
    for name, values in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(values))
    feather.write_feather(table, str(file), compression="lz4")


def test_each_sensor_is_a_stream_stamped_by_its_files(log: Log) -> None:
    assert {name: (len(s), s.frame) for name, s in log.streams.items()} == {
        "boxes/top": (2, "world"),
        "camera/ring_front_center": (4, "ring_front_center"),
        "lanes/map": (1, "world"),
        "lidar/top": (2, "world"),
        "pose/ego": (6, "world"),
        "pose/ring_front_center": (4, "world"),
    }
    assert (log.source, log.cameras[0].t_ns.tolist(), list(log.intrinsics)) == (
        "av2",
        CAMERA_NS,
        ["camera/ring_front_center"],
    )
    assert log.cameras[0].read(1).shape == (64, 36, 3)
    assert check(log).verdict in ("ok", "warn", "fail")


def test_a_cameras_pose_is_the_vehicles_at_the_frames_time_and_where_it_is_mounted(log: Log) -> None:
    pose = log.poses_of(log.cameras[0]).read(2)
    assert pose.position == pytest.approx((500.0, 802.5, 21.4))
    np.testing.assert_allclose(pose.rotation[:, 2], [0, 1, 0], atol=1e-12)


def test_points_are_in_the_city_and_fall_where_the_camera_sees_them(log: Log) -> None:
    points = log.lidar().read(0)
    np.testing.assert_allclose(points, [[500, 809.5, 21.4], [499, 807.5, 20.4]], atol=1e-2)
    uv, depth = project(points, log.poses_of(log.cameras[0]).read(0), log.intrinsics["camera/ring_front_center"])
    np.testing.assert_allclose(depth, [8.0, 6.0], atol=1e-2)
    np.testing.assert_allclose(uv, [[18, 32], [18 - 40 / 6, 32 + 40 / 6]], atol=0.02)


def test_boxes_are_in_the_city_with_tracks_and_velocities(log: Log) -> None:
    (box,) = log.streams["boxes/top"].read(1)  # type: ignore[misc]
    assert isinstance(box, Box)
    assert box.centre == pytest.approx((499.0, 821.0, 20.5), abs=1e-6)
    assert (box.label, box.size, box.track) == ("REGULAR_VEHICLE", (4.0, 2.0, 1.5), "a")
    assert box.yaw == pytest.approx(math.pi / 2)
    assert box.velocity == pytest.approx((0.0, 10.0))


def test_lanes_have_as_many_points_left_as_right_and_neighbours_that_go_along(log: Log) -> None:
    lanes = {lane.name: lane for lane in log.streams["lanes/map"].read(0)}  # type: ignore[attr-defined]
    lane = lanes["1"]
    assert isinstance(lane, Lane)
    np.testing.assert_array_equal(lane.left_N2, [[-2, 0], [-2, 5], [-2, 10]])
    np.testing.assert_array_equal(lane.right_N2, [[2, 0], [2, 1], [2, 10]])
    assert (lane.successors, lane.left, lane.right) == (("3",), "", "4")


def test_a_message_whose_stamp_has_no_pose_has_a_lost_one(folder: Path) -> None:
    file = folder / "sensors/cameras/ring_front_center"
    (file / f"{CAMERA_NS[1]}.jpg").rename(file / f"{CAMERA_NS[1] + 1}.jpg")
    sweep = folder / f"sensors/lidar/{LIDAR_NS[0]}.feather"
    sweep.rename(sweep.with_name(f"{LIDAR_NS[0] + 1}.feather"))
    log = open_log(folder)
    assert [log.poses_of(log.cameras[0]).read(i).is_valid for i in range(4)] == [True, False, True, True]
    with pytest.raises(SampleError, match="has no pose for"):
        log.lidar().read(0)


def test_a_log_without_labels_map_or_lidar_still_opens(folder: Path) -> None:
    (folder / "annotations.feather").unlink()
    next((folder / "map").iterdir()).unlink()
    for file in (folder / "sensors/lidar").iterdir():
        file.unlink()
    assert set(open_log(folder).streams) == {"camera/ring_front_center", "pose/ring_front_center", "pose/ego"}


TABLES = [
    "city_SE3_egovehicle.feather",
    "calibration/intrinsics.feather",
    "calibration/egovehicle_SE3_sensor.feather",
    "annotations.feather",
]


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_table_cut_short_is_named(folder: Path, name: str, share: float) -> None:
    file = folder / name
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DataError, match=f"cannot read .*{name}"):
        open_log(folder)


@pytest.mark.parametrize("seed", range(12))
def test_a_mutated_table_is_read_or_refused_by_name(folder: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    file = folder / TABLES[seed % len(TABLES)]
    data = bytearray(file.read_bytes())
    for at in rng.integers(0, len(data), 3):
        data[at] ^= int(rng.integers(1, 256))
    file.write_bytes(data)
    try:
        open_log(folder)
    except DataError as exc:
        assert file.name in exc.message  # noqa: PT017 - reading it all the same is as good


@pytest.mark.parametrize(
    ("name", "columns", "words"),
    [
        ("calibration/intrinsics.feather", {"fx_px": [0.0, 1.0]}, "ring_front_center has fx 0.0"),
        ("calibration/intrinsics.feather", {"cx_px": [math.nan, 1.0]}, "cx_px of ring_front_center is nan"),
        ("calibration/intrinsics.feather", {"sensor_name": ["x", "y"]}, "intrinsics.feather has no camera"),
        ("calibration/egovehicle_SE3_sensor.feather", {"sensor_name": ["x", "y"]}, "sensor.feather has no camera"),
        ("annotations.feather", {"timestamp_ns": [0.5, 1.5]}, "timestamp_ns .* is double"),
        ("annotations.feather", {"timestamp_ns": [-5, 1]}, "stamp before 1970"),
        ("annotations.feather", {"track_uuid": ["a", None]}, "track_uuid .* expected text"),
        ("annotations.feather", {"qw": ["a", "b"]}, "column qw .* not of numbers"),
    ],
)
def test_wrong_tables_are_one_clear_error(folder: Path, name: str, columns: dict[str, object], words: str) -> None:
    _rewrite(folder / name, **columns)
    with pytest.raises(DataError, match=words):
        open_log(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m["lane_segments"]["1"].update(left_lane_boundary=[]), "lane 1 has a border of fewer"),
        (lambda m: m.pop("lane_segments"), "not what Argoverse 2 publishes"),
    ],
)
def test_a_wrong_map_is_named(folder: Path, change: Callable[[dict[str, object]], object], words: str) -> None:
    file = next((folder / "map").iterdir())
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    with pytest.raises(DataError, match=words):
        open_log(folder)


def test_a_sweep_cut_short_is_named_when_it_is_read(folder: Path, log: Log) -> None:
    file = folder / f"sensors/lidar/{LIDAR_NS[1]}.feather"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(SampleError, match=file.name):
        log.lidar().read(1)
