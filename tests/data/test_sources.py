"""What every reader keeps to, whatever the format."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tests.data.test_av2 import write_log
from tests.data.test_commonroad import SCENARIO
from tests.data.test_nuscenes import write_scene
from tests.data.videos import write_video

from drivetrain.core.errors import DataError
from drivetrain.data import Log, SynthSpec, open_log, sources, synth
from drivetrain.data.log import Box, Lane, Message, Pose, Stream

REAL = ("pandaset_002", "comma2k19_example", "commonroad_ngsim", "commonroad_ngsim/USA_US101-4_1_T-1.xml")
MADE = ("synth", "av2", "nuscenes", "commonroad", "video")


def _made(name: str, folder: Path) -> Log:
    if name == "synth":
        return synth(SynthSpec(duration_s=0.1, width=32, height=18))
    if name == "commonroad":
        (folder / "made.xml").write_text(SCENARIO)
        return open_log(folder / "made.xml")
    if name == "video":
        return open_log(write_video(folder / "made.mp4", "mpeg4", {}, 0))
    return open_log({"av2": write_log, "nuscenes": write_scene}[name](folder / name))


@pytest.fixture(params=[*REAL, *MADE])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Log:
    if request.param in MADE:
        return _made(request.param, tmp_path)
    return open_log(request.getfixturevalue("shared_data") / request.param)


def _is_of_its_kind(stream: Stream[object], message: object) -> bool:
    if isinstance(message, np.ndarray):
        shape, kind = message.shape, message.dtype
        return {
            "camera": kind == np.uint8 and len(shape) == 3 and shape[2] == 3,
            "lidar": kind == np.float64 and len(shape) == 2 and shape[1] == 3,
            "point_labels": kind == np.uint8 and len(shape) == 1,
            "pixel_labels": kind == np.uint8 and len(shape) == 2,
            "scalars": kind == np.float64 and shape == (len(stream.fields),),
        }[stream.kind]
    if isinstance(message, tuple):
        return all(isinstance(thing, Box if stream.kind == "boxes" else Lane) for thing in message)
    return isinstance(message, Pose if stream.kind == "pose" else Message)


def test_streams_say_what_they_are_and_give_it(log: Log) -> None:
    assert log.streams
    for name, stream in log.streams.items():
        assert name == stream.name
        assert stream.t_ns.dtype == np.int64
        assert len(stream.labels) == len(stream) <= stream.num_listed
        assert len(stream) > 0
        for number in {0, len(stream) // 2, len(stream) - 1}:
            assert _is_of_its_kind(stream, stream.read(number)), name
        with pytest.raises(IndexError):
            stream.read(len(stream))


def test_all_values_of_numbers_are_what_each_message_says(log: Log) -> None:
    for stream in log.of_kind("scalars"):
        assert stream.values is not None
        values = stream.values()
        assert values.shape == (len(stream), len(stream.fields))
        np.testing.assert_array_equal(values[len(stream) // 3], stream.read(len(stream) // 3))  # type: ignore[arg-type]


def test_a_camera_has_a_pose_for_each_frame_and_intrinsics_of_its_images(log: Log) -> None:
    for camera in log.cameras if log.source != "video" else []:
        assert np.array_equal(log.poses_of(camera).t_ns[: len(camera)], camera.t_ns)
        height, width, _ = camera.read(0).shape
        intrinsics = log.intrinsics[camera.name]
        assert (intrinsics.width, intrinsics.height) == (width, height)


def test_threads_that_read_at_once_read_the_same(log: Log) -> None:
    streams = [stream for stream in log.streams.values() if stream.kind in ("lidar", "camera", "scalars", "message")]
    start = threading.Barrier(2)

    def read(_: int) -> list[object]:
        start.wait(timeout=60)
        return [stream.read(len(stream) // 2) for stream in streams]

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(read, range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other) if isinstance(one, np.ndarray) else None
        assert isinstance(one, np.ndarray) or one == other


@pytest.mark.parametrize("name", MADE)
def test_a_logs_hash_is_of_its_content_and_not_of_where_it_is(name: str, tmp_path: Path) -> None:
    hashes = []
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        hashes.append(_made(name, tmp_path / place).content_hash())
    assert hashes[0] == hashes[1]


def test_an_empty_folder_is_no_log_and_each_reader_says_why(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no reader takes") as caught:
        open_log(tmp_path)
    for name in ("pandaset", "comma2k19", "commonroad", "nuscenes", "av2", "video", "mcap", "rosbag2"):
        assert f"{name}: " in caught.value.hint


def test_of_a_folder_that_holds_logs_but_is_none_these_are_named(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / "day" / name).mkdir(parents=True)
        (tmp_path / "day" / name / "metadata.yaml").touch()
        (tmp_path / "day" / name / "x.mcap").touch()
    with pytest.raises(DataError, match="no log, but logs are in it") as caught:
        open_log(tmp_path)
    assert caught.value.hint == f"open {tmp_path / 'day' / 'a'}, or {tmp_path / 'day' / 'b'}"


def test_of_a_folder_of_many_files_not_all_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}.txt").touch()
    (tmp_path / "99.mp4").touch()
    monkeypatch.setattr(sources, "_MOST_LOOKED", 20)
    with pytest.raises(DataError, match="no reader takes"):
        open_log(tmp_path)
