from __future__ import annotations

import json
import math
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory

from drivetrain.core.errors import DataError, SampleError, StoreError
from drivetrain.data import Log, Stream, SynthSpec, convert, decode_jpeg, open_log, synth
from drivetrain.data.log import Box, Intrinsics, Kind, Lane, Message, Pose
from drivetrain.data.mcap_values import field_names

ENTITY = {"timestamp", "frame_id", "id", "lifetime", "frame_locked", "metadata"} | {
    *("arrows", "cubes", "spheres", "cylinders", "lines", "triangles", "texts", "models")
}
"""What a foxglove.SceneEntity must have."""

NAN, INF = math.nan, math.inf


def _stream(name: str, kind: Kind, t_ns: list[int], values: list[Any], **more: Any) -> Stream[Any]:
    read: Callable[[int], Any] = values.__getitem__
    stamps = np.array(t_ns, np.int64)
    return Stream(name, kind, "world", stamps, read, tuple(map(str, t_ns)), len(t_ns), **more)


def _log(*streams: Stream[Any], **more: Any) -> Log:
    return Log("made", "test", lambda: "", {stream.name: stream for stream in streams}, {}, **more)


def _same(one: Any, other: Any) -> bool:
    """Equal values; NaN equals NaN."""
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))
    if isinstance(one, Pose):
        return _same(np.array([*one.position, *one.heading]), np.array([*other.position, *other.heading]))
    if isinstance(one, Lane):
        same_lines = _same(one.left_N2, other.left_N2) and _same(one.right_N2, other.right_N2)
        return same_lines and all(
            getattr(one, name) == getattr(other, name)
            for name in ("name", "successors", "left", "right", "speed_limit_m_per_s")
        )
    if isinstance(one, Message):  # what only its own reader knows how to decode stays bytes
        return one == other or (other.decoded is None and replace(one, decoded=None) == other)
    if isinstance(one, Box):
        return repr(one) == repr(other)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _compare(log: Log, again: Log, **tolerances: float) -> None:
    """The law: the same streams, stamps and values; a tolerance where one is stated for the kind."""
    assert set(again.streams) == set(log.streams)
    assert again.intrinsics == log.intrinsics
    assert again.notes == ()
    for name, stream in log.streams.items():
        other = again.streams[name]
        assert (other.kind, other.fields, other.num_listed) == (stream.kind, stream.fields, stream.num_listed)
        assert other.t_ns.tolist() == stream.t_ns.tolist()
        assert stream.kind == "message" or other.frame == stream.frame
        for i in range(len(stream)):
            if stream.kind in tolerances:
                wrong = np.abs(np.asarray(stream.read(i), float) - np.asarray(other.read(i), float))
                assert wrong.mean() <= tolerances[stream.kind], name
            else:
                assert _same(stream.read(i), other.read(i)), f"{name} {i}"


def test_a_generated_drive_comes_back_as_it_was(tmp_path: Path) -> None:
    log = synth(SynthSpec(duration_s=0.2, width=64, height=36, nan_poses=(1,), dropped_sweeps=(1, 2)))
    done = convert(log, tmp_path / "out.mcap")
    assert done.encoded == ("camera/front",)
    assert done.left_out == {}
    again = open_log(tmp_path / "out.mcap")
    _compare(log, again, camera=4.0, lidar=1e-5)
    assert again.class_names == log.class_names


def test_a_real_drive_comes_back_with_the_jpegs_that_were_recorded(real_drive: Path, tmp_path: Path) -> None:
    log = open_log(real_drive)
    kept = {name: s for name, s in log.streams.items() if s.kind not in ("boxes", "lidar", "point_labels")}
    log = replace(log, streams=kept)
    assert convert(log, tmp_path / "out.mcap").encoded == ()
    again = open_log(tmp_path / "out.mcap")
    _compare(log, again)
    camera, other = log.cameras[0], again.cameras[0]
    assert camera.jpeg is not None
    assert other.jpeg is not None
    assert [camera.jpeg(i) for i in range(len(camera))] == [other.jpeg(i) for i in range(len(other))]


def test_points_classes_and_boxes_of_a_real_drive_come_back(real_drive: Path, tmp_path: Path) -> None:
    log = open_log(real_drive)
    kept = {name: s for name, s in log.streams.items() if s.kind in ("boxes", "lidar", "point_labels")}
    boxes = kept["boxes/top"]
    kept["boxes/top"] = replace(boxes, t_ns=boxes.t_ns[:3], labels=boxes.labels[:3])
    log = replace(log, streams=kept, intrinsics={})
    convert(log, tmp_path / "out.mcap")
    again = open_log(tmp_path / "out.mcap")
    _compare(log, again, lidar=1e-5)
    assert again.class_names == log.class_names


def test_every_kind_comes_back_with_values_no_format_likes(tmp_path: Path) -> None:
    lane = Lane("1", np.zeros((2, 2)), np.array([[0.1, NAN], [1e-300, 1e300]]), ("2", "3"), "4", "", 13.9)
    message = Message("my/Type", "protobuf", b"\0\xff", None, b"definition", "protobuf")
    boxes = (
        Box("Car", (1.0, NAN, 0.1), (4.5, 1.8, 1.5), 0.1 + 0.2, "t1", (NAN, -INF)),
        Box("", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 9.0),
    )
    numbers = np.array([NAN, INF, -0.0, 5e-324])
    log = _log(
        _stream("pose/x", "pose", [1, 2], [Pose((NAN, INF, 0.0), (1, 0, 0, 0)), Pose((0.1, 0.2, 0.3), (0, 0, 0, 1))]),
        _stream("lidar/far", "lidar", [2], [np.array([[5e5 + 1e-4, 4e6, 3.0], [NAN, NAN, NAN]])]),
        _stream("lidar/none", "lidar", [2], [np.zeros((0, 3))]),
        _stream("boxes/a", "boxes", [3, 3], [boxes, ()]),
        _stream("map", "lanes", [0], [(lane, replace(lane, name="2", speed_limit_m_per_s=None))]),
        _stream("point_labels/x", "point_labels", [2], [np.array([0, 255], np.uint8)]),
        _stream("pixel_labels/x", "pixel_labels", [2], [np.array([[0, 255, 7]], np.uint8)]),
        _stream("can", "scalars", [1], [numbers], fields=("Speed [m/s]", "speed_m_s", "", "__4x")),
        _stream("raw", "message", [1, 5], [message, message]),
        _stream("bare", "message", [1], [Message("", "", b"")]),
        _stream("empty/a", "boxes", [], []),
        _stream("empty/b", "message", [], []),
        _stream("empty/c", "scalars", [], [], fields=("a", "b")),
        class_names={0: "zero", 255: 'ü "quoted"'},
    )
    convert(log, tmp_path / "out.mcap")
    again = open_log(tmp_path / "out.mcap")
    _compare(log, again)
    assert again.class_names == log.class_names


@pytest.mark.parametrize("names", [("a", "a"), ("", "1", "a b", "A_b"), ("x" * 300, "é", "a__b", "_a_")])
def test_names_of_numbers_become_such_as_ros_wants_each_once(names: tuple[str, ...]) -> None:
    from mcap_ros2._vendor.rosidl_adapter.parser import is_valid_field_name

    found = field_names(names)
    assert len(set(found)) == len(names)
    assert all(map(is_valid_field_name, found))


_stamps = st.lists(st.integers(0, 2**63 - 1), max_size=6)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_stamps, min_size=1, max_size=3), st.data())
def test_stamps_come_back_in_the_order_of_their_stream_however_the_clock_jumps(
    tmp_path: Path, stamps: list[list[int]], data: st.DataObject
) -> None:
    numbers = st.floats(allow_nan=True)
    streams = [
        _stream(f"s{n}", "scalars", t_ns, [np.array([data.draw(numbers)]) for _ in t_ns], fields=("x",))
        for n, t_ns in enumerate(stamps)
    ]
    log = _log(*streams)
    convert(log, tmp_path / "out.mcap")
    _compare(log, open_log(tmp_path / "out.mcap"))


def test_a_recording_comes_back_from_both_its_storages(shared_data: Path, tmp_path: Path) -> None:
    for number, name in enumerate(("mcap/cdr_test", "sqlite3/cdr_test")):
        log = open_log(shared_data / "rosbag2_samples" / "rosbag2_tests" / "resources" / name)
        out = tmp_path / f"{number}.mcap"
        convert(log, out)
        _compare(log, open_log(out))


def test_the_public_readers_open_what_was_written(tmp_path: Path) -> None:
    log = synth(SynthSpec(duration_s=0.11, width=64, height=36))
    done = convert(log, tmp_path / "out.mcap")
    counts: Counter[str] = Counter()
    decoders = DecoderFactory()
    with (tmp_path / "out.mcap").open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        for schema, channel, message in reader.iter_messages(log_time_order=False):
            counts[channel.topic] += 1
            assert schema is not None
            decoder = decoders.decoder_for(channel.message_encoding, schema)
            if schema.name == "sensor_msgs/msg/PointCloud2":
                assert decoder is not None
                cloud = decoder(message.data)
                points = np.frombuffer(cloud.data, "<f4").reshape(-1, 3)
                expected = log.lidar().read(counts[channel.topic] - 1)
                np.testing.assert_allclose(points, expected, atol=1e-5)
                assert (cloud.width, cloud.point_step, [f.name for f in cloud.fields]) == (len(points), 12, list("xyz"))
                assert cloud.header.stamp.sec * 10**9 + cloud.header.stamp.nanosec == message.log_time
            elif schema.name == "sensor_msgs/msg/CompressedImage":
                assert decoder is not None
                assert decode_jpeg(decoder(message.data).data, where="it").shape == (36, 64, 3)
            elif schema.name == "foxglove.SceneUpdate":
                entity = json.loads(message.data)["entities"][0]
                assert set(entity) == ENTITY
                assert set(entity["cubes"][0]) == {"pose", "size", "color"}
                assert entity["frame_id"] == "world"
            elif schema.encoding == "ros2msg":
                assert decoder is not None
                decoder(message.data)
        summary = reader.get_summary()
    assert summary is not None
    assert summary.statistics is not None
    assert summary.statistics.message_count == done.num_messages == sum(counts.values())
    assert counts["camera/front/camera_info"] == counts["camera/front"] == 2


def test_messages_that_cannot_be_read_are_left_out_and_counted(tmp_path: Path) -> None:
    def read(i: int) -> Any:
        if i % 2:
            raise SampleError(f"frame {i} is gone")
        return np.array([float(i)])

    stream = replace(_stream("s", "scalars", [1, 2, 3, 4], [], fields=("x",)), read=read)
    done = convert(_log(stream), tmp_path / "out.mcap")
    assert done.left_out == {"s": (2, "frame 1 is gone")}
    again = open_log(tmp_path / "out.mcap").streams["s"]
    assert again.t_ns.tolist() == [1, 3]
    assert again.num_listed == 4
    only_bad = replace(stream, t_ns=stream.t_ns[:1], labels=("1",), read=lambda i: read(1))
    with pytest.raises(DataError, match=r"no message of log made can be read; the first of s: frame 1 is gone"):
        convert(_log(only_bad), tmp_path / "none.mcap")
    assert not (tmp_path / "none.mcap").exists()


def test_a_damaged_first_message_does_not_cost_a_stream_its_schema(tmp_path: Path) -> None:
    def read(i: int) -> Message:
        if i == 0:
            raise SampleError("the first is damaged")
        return Message("my/Type", "protobuf", b"data", None, b"definition", "protobuf")

    stream = replace(_stream("raw", "message", [1, 2], []), read=read)
    assert convert(_log(stream), tmp_path / "out.mcap").left_out == {"raw": (1, "the first is damaged")}
    assert open_log(tmp_path / "out.mcap").streams["raw"].read(0) == read(1)


def test_a_stamp_before_1970_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"stream s of made has a stamp of -5 ns"):
        convert(_log(_stream("s", "scalars", [-5], [np.zeros(1)], fields=("x",))), tmp_path / "out.mcap")
    assert list(tmp_path.glob("*.mcap*")) == []


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mcap.writer import Writer

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Writer, "finish", full)
    with pytest.raises(StoreError, match="No space left"):
        convert(_log(_stream("s", "scalars", [1], [np.zeros(1)], fields=("x",))), tmp_path / "out.mcap")
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == []


def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    import tracemalloc

    frame = np.random.default_rng(0).integers(0, 255, (60_000, 3)).astype(np.float64)

    def peak(count: int) -> int:
        stream = replace(_stream("lidar/x", "lidar", list(range(count)), []), read=lambda i: frame + i)
        tracemalloc.start()
        convert(_log(stream), tmp_path / "out.mcap")
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak_bytes

    few, many = peak(12), peak(30)
    assert many < 1.2 * few < 40e6


def test_progress_tells_how_many_messages_are_done(tmp_path: Path) -> None:
    seen: list[int] = []
    log = _log(_stream("s", "scalars", list(range(250)), [np.zeros(1)] * 250, fields=("x",)))
    convert(log, tmp_path / "out.mcap", on_progress=lambda done, note: seen.append(done))
    assert seen == [100, 200]


def test_a_camera_is_calibrated_in_the_file_frame_by_frame(tmp_path: Path) -> None:
    lens = Intrinsics(100.1, 99.9, 31.3, 17.7, 64, 36)
    image = np.zeros((36, 64, 3), np.uint8)
    log = replace(_log(_stream("camera/a", "camera", [1, 2], [image, image])), intrinsics={"camera/a": lens})
    convert(log, tmp_path / "out.mcap")
    assert open_log(tmp_path / "out.mcap").intrinsics == {"camera/a": lens}
    whole = (tmp_path / "out.mcap").read_bytes()
    start = struct.unpack_from("<Q", whole, len(whole) - 28)[0]
    assert b"sensor_msgs/msg/CameraInfo" in whole[start:]


def test_a_minute_of_can_bus_comes_back_number_by_number(shared_data: Path, tmp_path: Path) -> None:
    log = open_log(shared_data / "comma2k19_example")
    few = {
        name: replace(s, t_ns=s.t_ns[:40], labels=s.labels[:40], num_listed=40)
        for name, s in log.streams.items()
        if len(s) >= 40
    }
    log = replace(log, streams=few)
    assert sum(s.kind == "scalars" for s in few.values()) > 5
    convert(log, tmp_path / "out.mcap")
    _compare(log, open_log(tmp_path / "out.mcap"))
