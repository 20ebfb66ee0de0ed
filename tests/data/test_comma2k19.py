from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.data.videos import write_video

from drivetrain.core.errors import DataError
from drivetrain.data import Log, check, open_log
from drivetrain.data.log import Message, Pose, Stream


@pytest.fixture(scope="module")
def minute(shared_data: Path) -> Path:
    return next((shared_data / "comma2k19_example").glob("*/*/*/global_pose")).parent


@pytest.fixture(scope="module")
def log(shared_data: Path) -> Log:
    return open_log(shared_data / "comma2k19_example")


@pytest.fixture
def copy(minute: Path, tmp_path: Path) -> Path:
    """The minute, to be damaged."""
    return Path(shutil.copytree(minute, tmp_path / "minute", copy_function=shutil.copyfile))


def _values(stream: Stream[object]) -> np.ndarray:
    assert stream.values is not None
    return stream.values()


def _frames(minute: Path, address: int) -> list[bytes]:
    folder = minute / "processed_log/CAN/raw_can"
    arrays = (np.load(folder / name) for name in ("src", "address", "data"))
    return [data.ljust(8, b"\0") for bus, at, data in zip(*arrays, strict=True) if (bus, at) == (0, address)]


def test_wheel_speeds_are_those_of_the_raw_frames(log: Log, minute: Path) -> None:
    wheels = log.streams["scalars/wheel_speeds"]
    assert log.notes == ()
    assert wheels.fields == tuple(
        f"{wheel}_m_per_s" for wheel in ("front_left", "front_right", "rear_left", "rear_right")
    )
    by_hand = [struct.unpack(">4H", frame) for frame in _frames(minute, 0xAA)]
    right_left = (np.array(by_hand) * 0.01 - 67.67) / 3.6
    np.testing.assert_allclose(_values(wheels), right_left[:, [1, 0, 3, 2]], rtol=1e-13, atol=1e-13)


def test_the_steering_angle_is_that_of_the_raw_frames(log: Log, minute: Path) -> None:
    def angle(frame: bytes) -> float:
        coarse, fine = (frame[0] & 15) << 8 | frame[1], frame[4] >> 4
        return (coarse - ((coarse & 2048) << 1)) * 1.5 + (fine - ((fine & 8) << 1)) * 0.1

    steering = log.streams["scalars/steering"]
    assert steering.fields[0] == "steering_angle_deg"
    np.testing.assert_array_equal(_values(steering)[:, 0], [angle(frame) for frame in _frames(minute, 0x25)])


def test_wheels_turn_as_fast_as_the_camera_moves(log: Log) -> None:
    wheels, velocity = log.streams["scalars/wheel_speeds"], log.streams["scalars/velocity"]
    speed = np.interp(velocity.t_ns, wheels.t_ns, _values(wheels).mean(axis=1))
    moved = np.linalg.norm(_values(velocity), axis=1)
    assert np.median(np.abs(speed - moved)) < 0.2


def test_poses_look_along_the_drive_and_stamps_are_utc(log: Log) -> None:
    pose, velocity = log.streams["pose/road"].read(600), log.streams["scalars/velocity"].read(600)
    assert isinstance(pose, Pose)
    right, down, forward = pose.rotation.T @ velocity  # type: ignore[operator]
    assert forward == pytest.approx(np.linalg.norm(velocity), rel=0.01)  # type: ignore[arg-type]
    assert max(abs(right), abs(down)) < 1.5
    gnss = log.streams["scalars/live_gnss_ublox"]
    late_s = gnss.t_ns / 1e9 - _values(gnss)[:, gnss.fields.index("utc_ms")] / 1e3
    assert np.median(late_s) == pytest.approx(0.2, abs=0.1)


def test_car_phone_and_camera_turn_to_the_same_side(log: Log) -> None:
    poses = log.streams["pose/road"]
    rotations = np.array([poses.read(i).rotation for i in range(len(poses))])  # type: ignore[attr-defined]
    turned = rotations[:-1].transpose(0, 2, 1) @ rotations[1:]  # about the camera's y, which is down
    rate = -(turned[:, 0, 2] - turned[:, 2, 0]) / 2 / (np.diff(poses.t_ns) / 1e9)
    t_ns = (poses.t_ns[1:] + poses.t_ns[:-1]) // 2
    smooth = np.ones(20) / 20
    by_camera = np.convolve(rate, smooth, "valid")
    for name in ("kinematics", "gyro"):
        stream = log.streams[f"scalars/{name}"]
        yaw_rate = _values(stream)[:, stream.fields.index("yaw_rate_rad_per_s")]
        by_sensor = np.convolve(np.interp(t_ns, stream.t_ns, yaw_rate), smooth, "valid")
        assert np.corrcoef(by_camera, by_sensor)[0, 1] > 0.9


def test_raw_frames_are_messages_of_their_bus(log: Log, minute: Path) -> None:
    buses = [stream for name, stream in log.streams.items() if name.startswith("message/can")]
    assert sum(map(len, buses)) == 135_468
    message = log.streams["message/can0"].read(0)
    assert isinstance(message, Message)
    assert message.decoded == {"address": 608, "data": "08fffb0000001884"}
    assert struct.unpack("<IB3x8s", message.data)[0] == 608


def test_arrays_without_meaning_of_ours_are_numbered(copy: Path) -> None:
    folder = copy / "processed_log/IMU/barometer"
    folder.mkdir()
    for name, values in (("t", np.arange(3.0)), ("value", np.ones((3, 2)))):
        with (folder / name).open("wb") as file:
            np.save(file, values)
    assert open_log(copy).streams["scalars/barometer"].fields == ("value_0", "value_1")


def test_a_car_that_the_table_is_not_for_has_raw_frames_only(copy: Path) -> None:
    file = copy / "processed_log/CAN/raw_can/address"
    address = np.load(file)
    address[address == 0xAA] = 0xAB
    with file.open("wb") as opened:
        np.save(opened, address)
    log = open_log(copy)
    assert "message/can0" in log.streams
    assert not log.streams.keys() & {"scalars/wheel_speeds", "scalars/steering"}
    assert "comma2k19.dbc" in log.notes[0]


def test_the_video_is_a_camera_with_a_pose_for_each_frame(copy: Path) -> None:
    write_video(copy / "video.hevc", "libx265", {"x265-params": "log-level=none"}, 0)
    log = open_log(copy)
    (camera,) = log.cameras
    assert (camera.name, len(camera), camera.num_listed) == ("camera/road", 45, 1200)
    np.testing.assert_array_equal(camera.t_ns, log.poses_of(camera).t_ns[:45])
    assert camera.read(7).mean() / 5 == pytest.approx(7, abs=1)
    assert log.intrinsics["camera/road"].width == 64


def test_the_check_of_a_minute_prints_a_verdict(log: Log) -> None:
    assert check(log).verdict in ("ok", "warn", "fail")


def test_a_folder_of_several_minutes_names_them(minute: Path, tmp_path: Path) -> None:
    for number in "01":
        for part in ("processed_log", "global_pose"):
            (tmp_path / "route" / number / part).mkdir(parents=True)
    with pytest.raises(DataError, match="route/0, route/1") as caught:
        open_log(tmp_path)
    assert "open one" in caught.value.hint


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def _claims_much(file: Path) -> None:
    with file.open("wb") as opened:
        np.lib.format.write_array_header_1_0(opened, {"descr": "<f8", "fortran_order": False, "shape": (10**14,)})


def _pickled(file: Path) -> None:
    with file.open("wb") as opened:
        np.save(opened, np.array([{}], object), allow_pickle=True)


def _not_finite(file: Path) -> None:
    values = np.load(file)
    values[-1] = np.nan
    with file.open("wb") as opened:
        np.save(opened, values)


@pytest.mark.parametrize("damage", [_cut, _claims_much, _pickled, Path.unlink])
@pytest.mark.parametrize("name", ["CAN/raw_can/t", "IMU/gyro/value"])
def test_a_damaged_array_is_named(copy: Path, name: str, damage: Callable[[Path], None]) -> None:
    damage(copy / "processed_log" / name)
    if name.endswith("value") and damage is Path.unlink:
        assert "scalars/gyro" not in open_log(copy).streams
        return
    with pytest.raises(DataError, match=name):
        open_log(copy)


@pytest.mark.parametrize("name", ["processed_log/IMU/gyro/t", "global_pose/frame_times"])
def test_a_stamp_that_is_not_finite_is_named(copy: Path, name: str) -> None:
    _not_finite(copy / name)
    with pytest.raises(DataError, match=name):
        open_log(copy)


def test_a_clock_that_jumps_is_kept_as_recorded(copy: Path) -> None:
    file = copy / "processed_log/IMU/gyro/t"
    t_s = np.load(file)
    t_s[100:] -= 3.0
    with file.open("wb") as opened:
        np.save(opened, t_s)
    assert (np.diff(open_log(copy).streams["scalars/gyro"].t_ns) < 0).sum() == 1
