from __future__ import annotations

import base64
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tests.data.recordings import as_json, channel_record, message_record, plain_mcap, ros, schema_record, write_mcap

from drivetrain.core.errors import SampleError
from drivetrain.data import encode_jpeg, open_log
from drivetrain.data.log import Intrinsics, Log, Pose

HEADER = {"stamp": {"sec": 3, "nanosec": 4}, "frame_id": "base"}
POSITION, TURNED = {"x": 1.0, "y": 2.0, "z": 3.0}, {"x": 0.0, "y": 0.0, "z": 0.6, "w": 0.8}
POSE = {"position": POSITION, "orientation": TURNED}
TRANSFORM = {"translation": POSITION, "rotation": TURNED}
EXPECTED = Pose((1.0, 2.0, 3.0), (0.8, 0.0, 0.0, 0.6))
K = [100.0, 0.0, 3.5, 0.0, 90.0, 2.5, 0.0, 0.0, 1.0]


def _log(tmp_path: Path, *messages: tuple[str, str, str, bytes], **definitions: str) -> Log:
    topics = [(topic, schema, encoding, [(1, data)]) for topic, schema, encoding, data in messages]
    return open_log(write_mcap(tmp_path / "log.mcap", topics, definitions=definitions))


def _one(tmp_path: Path, schema: str, data: bytes, encoding: str = "cdr", **definitions: str) -> Any:
    log = _log(tmp_path, ("/t", schema, encoding, data), **definitions)
    return log.streams["/t"]


@pytest.mark.parametrize(
    ("schema", "values"),
    [
        ("geometry_msgs/msg/PoseStamped", {"header": HEADER, "pose": POSE}),
        ("geometry_msgs/PoseStamped", {"header": HEADER, "pose": POSE}),
        ("geometry_msgs/msg/TransformStamped", {"header": HEADER, "transform": TRANSFORM}),
        (
            "geometry_msgs/msg/PoseWithCovarianceStamped",
            {"header": HEADER, "pose": {"pose": POSE, "covariance": [0.0] * 36}},
        ),
    ],
)
def test_poses_are_poses(tmp_path: Path, schema: str, values: dict[str, Any]) -> None:
    stream = _one(tmp_path, schema, ros(schema, values))
    assert (stream.kind, stream.frame, stream.read(0)) == ("pose", "base", EXPECTED)


@pytest.mark.parametrize(
    ("schema", "values"),
    [
        ("foxglove.PoseInFrame", {"frame_id": "base", "pose": POSE}),
        ("foxglove.FrameTransform", {"parent_frame_id": "base", "child_frame_id": "camera", **TRANSFORM}),
    ],
)
def test_poses_in_json_are_poses(tmp_path: Path, schema: str, values: dict[str, Any]) -> None:
    stream = _one(tmp_path, schema, as_json(**values), "json")
    assert (stream.kind, stream.frame, stream.read(0)) == ("pose", "base", EXPECTED)


def test_odometry_is_a_pose_and_speeds(tmp_path: Path) -> None:
    twist = {"twist": {"linear": {"x": 5.0, "y": 0, "z": 0}, "angular": {"x": 0, "y": 0, "z": 0.1}}}
    values = {
        "header": HEADER,
        "child_frame_id": "car",
        "pose": {"pose": POSE, "covariance": [0.0] * 36},
        "twist": {**twist, "covariance": [0.0] * 36},
    }
    streams = _log(tmp_path, ("/odom", "nav_msgs/msg/Odometry", "cdr", ros("nav_msgs/msg/Odometry", values))).streams
    assert streams["/odom"].read(0) == EXPECTED
    speeds = streams["/odom.twist"]
    assert (speeds.kind, speeds.frame) == ("scalars", "car")
    assert dict(zip(speeds.fields, speeds.read(0), strict=True)) == {  # type: ignore[call-overload]
        "velocity_x_m_per_s": 5.0,
        "velocity_y_m_per_s": 0.0,
        "velocity_z_m_per_s": 0.0,
        "roll_rate_rad_per_s": 0.0,
        "pitch_rate_rad_per_s": 0.0,
        "yaw_rate_rad_per_s": 0.1,
    }


def test_an_imu_and_a_fix_are_scalars_with_units(tmp_path: Path) -> None:
    rate, pull = {"x": 0.1, "y": 0.2, "z": 0.3}, {"x": 1.0, "y": 2.0, "z": 9.8}
    imu = ros(
        "sensor_msgs/msg/Imu",
        {"header": HEADER, "orientation": TURNED, "angular_velocity": rate, "linear_acceleration": pull},
    )
    fix = {"latitude": 37.5, "longitude": -122.25, "altitude": math.nan}
    log = _log(
        tmp_path,
        ("/imu", "sensor_msgs/msg/Imu", "cdr", imu),
        ("/gps", "sensor_msgs/msg/NavSatFix", "cdr", ros("sensor_msgs/msg/NavSatFix", fix)),
        ("/gps_json", "foxglove.LocationFix", "json", as_json(latitude=37.5, longitude=-122.25, altitude=None)),
    )
    values = dict(zip(log.streams["/imu"].fields, log.streams["/imu"].read(0), strict=True))  # type: ignore[call-overload]
    assert values["yaw_rate_rad_per_s"] == 0.3
    assert values["acceleration_z_m_per_s2"] == 9.8
    assert values["orientation_w"] == 0.8
    for name in ("/gps", "/gps_json"):
        assert log.streams[name].fields == ("latitude_deg", "longitude_deg", "altitude_m")
        np.testing.assert_array_equal(log.streams[name].read(0), [37.5, -122.25, math.nan])


def test_a_message_of_numbers_alone_is_scalars_whatever_its_name(tmp_path: Path) -> None:
    text = "std_msgs/Header header\nInner inner\nbool on\n===\nMSG: my_msgs/Inner\nfloat32 speed\nint16 gear\n===\n"
    text += "MSG: std_msgs/Header\nbuiltin_interfaces/Time stamp\nstring frame_id\n"
    from drivetrain.data.sources import cdr, ros2msg

    values = {"header": HEADER, "inner": {"speed": 1.5, "gear": -1}, "on": True}
    data = cdr.encode(ros2msg.parse("my_msgs/msg/Car", text), values)
    stream = _one(tmp_path, "my_msgs/msg/Car", data, **{"my_msgs/msg/Car": text})
    assert (stream.kind, stream.frame) == ("scalars", "base")
    assert stream.fields == ("inner.speed", "inner.gear", "on")
    assert stream.read(0).tolist() == [1.5, -1.0, 1.0]


@pytest.mark.parametrize("field", ["string name", "float64[3] values", "int64 nanoseconds"])
def test_a_message_with_more_than_numbers_stays_a_message(tmp_path: Path, field: str) -> None:
    stream = _one(tmp_path, "my_msgs/msg/Car", b"\0\1\0\0" + bytes(28), **{"my_msgs/msg/Car": field})
    assert stream.kind == "message"


def test_pictures_are_cameras_and_jpegs_are_handed_out(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (12, 16, 3), np.uint8)
    jpeg, png = encode_jpeg(pixels), cv2.imencode(".png", pixels[..., ::-1])[1].tobytes()
    base64_png = base64.b64encode(png).decode()
    log = _log(
        tmp_path,
        (
            "/jpeg",
            "sensor_msgs/msg/CompressedImage",
            "cdr",
            ros("sensor_msgs/msg/CompressedImage", {"header": HEADER, "format": "jpeg", "data": jpeg}),
        ),
        ("/png", "foxglove.CompressedImage", "json", as_json(frame_id="base", format="png", data=base64_png)),
    )
    camera = log.streams["/jpeg"]
    assert (camera.kind, camera.frame) == ("camera", "base")
    assert camera.jpeg is not None
    assert camera.jpeg(0) == jpeg
    assert camera.read(0).shape == (12, 16, 3)  # type: ignore[attr-defined]
    assert log.streams["/png"].jpeg is None
    np.testing.assert_array_equal(log.streams["/png"].read(0), pixels)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("encoding", "pixel", "rgb"),
    [
        ("rgb8", [1, 2, 3], [1, 2, 3]),
        ("bgr8", [3, 2, 1], [1, 2, 3]),
        ("bgra8", [3, 2, 1, 9], [1, 2, 3]),
        ("rgba8", [1, 2, 3, 9], [1, 2, 3]),
        ("mono8", [7], [7, 7, 7]),
    ],
)
def test_raw_images_are_rgb_whatever_their_order(
    tmp_path: Path, encoding: str, pixel: list[int], rgb: list[int]
) -> None:
    row = bytes(pixel * 3) + b"padding"
    values = {"height": 2, "width": 3, "encoding": encoding, "step": len(row), "data": row * 2}
    stream = _one(tmp_path, "sensor_msgs/msg/Image", ros("sensor_msgs/msg/Image", values))
    assert stream.kind == "camera"
    np.testing.assert_array_equal(stream.read(0), np.full((2, 3, 3), rgb, np.uint8))


def test_an_image_of_depth_stays_a_message(tmp_path: Path) -> None:
    values = {"height": 1, "width": 1, "encoding": "16UC1", "step": 2, "data": b"\1\2"}
    assert _one(tmp_path, "sensor_msgs/msg/Image", ros("sensor_msgs/msg/Image", values)).kind == "message"


@pytest.mark.parametrize(
    "change",
    [{"height": 1 << 31}, {"width": 1 << 31}, {"step": 0}, {"step": 1 << 31, "height": 0}, {"data": b"few"}],
)
def test_an_image_that_claims_more_than_it_brings_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    values = {"height": 2, "width": 3, "encoding": "rgb8", "step": 9, "data": bytes(18), **change}
    stream = _one(tmp_path, "sensor_msgs/msg/Image", ros("sensor_msgs/msg/Image", values))
    with pytest.raises(SampleError, match=r"message 0 of /t: an image of"):
        stream.read(0)


def _cloud(**change: Any) -> bytes:
    fields = [{"name": n, "offset": o, "datatype": 7, "count": 1} for n, o in (("x", 0), ("y", 4), ("i", 8), ("z", 12))]
    points = np.arange(24, dtype="<f4").reshape(6, 4)
    values = {
        "header": HEADER,
        "height": 2,
        "width": 3,
        "fields": fields,
        "point_step": 16,
        "row_step": 48,
        "data": points.tobytes(),
        **change,
    }
    return ros("sensor_msgs/msg/PointCloud2", values)


def test_a_cloud_is_points_in_its_own_frame(tmp_path: Path) -> None:
    stream = _one(tmp_path, "sensor_msgs/msg/PointCloud2", _cloud())
    assert (stream.kind, stream.frame) == ("lidar", "base")
    np.testing.assert_array_equal(stream.read(0), np.arange(24.0).reshape(6, 4)[:, [0, 1, 3]])


@pytest.mark.parametrize(
    "change",
    [
        {"fields": []},
        {"width": 1 << 31, "height": 1 << 31},
        {"point_step": 0, "row_step": 0, "width": 1 << 31},
        {"row_step": 0},
        {"point_step": 8},
        {"data": b""},
        {"fields": [{"name": n, "offset": 1 << 31, "datatype": 8, "count": 1} for n in "xyz"]},
        {"fields": [{"name": n, "offset": 0, "datatype": 77, "count": 1} for n in "xyz"]},
    ],
)
def test_a_cloud_that_claims_more_than_it_brings_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    stream = _one(tmp_path, "sensor_msgs/msg/PointCloud2", _cloud(**change))
    with pytest.raises(SampleError, match=r"message 0 of /t: .* points? "):
        stream.read(0)


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"\xff\xd8", b"\x89PNG", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\xff" * 8]
)
def test_a_picture_that_is_none_is_refused(tmp_path: Path, data: bytes) -> None:
    good = ros("sensor_msgs/msg/CompressedImage", {"data": encode_jpeg(np.zeros((8, 8, 3), np.uint8))})
    bad = ros("sensor_msgs/msg/CompressedImage", {"data": data})
    topic = ("/t", "sensor_msgs/msg/CompressedImage", "cdr", [(1, good), (2, bad)])
    stream = open_log(write_mcap(tmp_path / "log.mcap", [topic])).streams["/t"]
    with pytest.raises(SampleError, match=r"message 1 of /t"):
        stream.read(1)


def test_a_message_that_is_not_what_its_type_says_is_refused(tmp_path: Path) -> None:
    good, bad = as_json(frame_id="a", pose=POSE), as_json(frame_id="a", pose={"position": 5})
    topic = ("/t", "foxglove.PoseInFrame", "json", [(1, good), (2, bad), (3, b"no json"), (4, b"[]")])
    stream = open_log(write_mcap(tmp_path / "log.mcap", [topic])).streams["/t"]
    for i in (1, 2, 3):
        with pytest.raises(SampleError, match=f"message {i} of /t"):
            stream.read(i)
    assert stream.read(0) == EXPECTED


@pytest.mark.parametrize(
    ("info", "image"),
    [
        ("/front/camera_info", "/front/image_raw"),
        ("/front/camera_info", "/front/image/compressed"),
        ("camera/x/camera_info", "camera/x"),
    ],
)
def test_a_calibration_belongs_to_the_camera_beside_it(tmp_path: Path, info: str, image: str) -> None:
    calibration = ros("sensor_msgs/msg/CameraInfo", {"height": 6, "width": 8, "k": K})
    picture = ros("sensor_msgs/msg/CompressedImage", {"data": encode_jpeg(np.zeros((6, 8, 3), np.uint8))})
    log = _log(
        tmp_path,
        (info, "sensor_msgs/msg/CameraInfo", "cdr", calibration),
        (image, "sensor_msgs/msg/CompressedImage", "cdr", picture),
        ("/rear/image", "sensor_msgs/msg/CompressedImage", "cdr", picture),
    )
    assert log.intrinsics == {image: Intrinsics(100.0, 90.0, 3.5, 2.5, 8, 6)}
    assert log.notes == ()


@pytest.mark.parametrize(
    ("change", "why"),
    [({"k": [0.0] * 9}, "focal lengths 0.0"), ({"d": [0.1]}, "distorted"), ({"k": [math.nan] * 9}, "nan")],
)
def test_a_calibration_we_cannot_use_is_noted(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    calibration = ros("sensor_msgs/msg/CameraInfo", {"height": 6, "width": 8, "k": K, **change})
    picture = ros("sensor_msgs/msg/CompressedImage", {"data": encode_jpeg(np.zeros((6, 8, 3), np.uint8))})
    log = _log(
        tmp_path,
        ("/front/camera_info", "sensor_msgs/msg/CameraInfo", "cdr", calibration),
        ("/front/image", "sensor_msgs/msg/CompressedImage", "cdr", picture),
    )
    assert log.intrinsics == {}
    assert why in log.notes[0]


def _proto(name: str, **fields: Any) -> tuple[bytes, Any]:
    """A set of two files, the one that imports first, and the class of a message in them."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kinds = {"double": 1, "bytes": 12, "string": 9, "message": 11}
    inner = descriptor_pb2.FileDescriptorProto(name="inner.proto", package="foxglove", syntax="proto3")
    for kind, parts in {"Vector3": "xyz", "Quaternion": "xyzw"}.items():
        message = inner.message_type.add(name=kind)
        for number, part in enumerate(parts, start=1):
            message.field.add(name=part, number=number, label=1, type=1)
    pose = inner.message_type.add(name="Pose")
    pose.field.add(name="position", number=1, label=1, type=11, type_name=".foxglove.Vector3")
    pose.field.add(name="orientation", number=2, label=1, type=11, type_name=".foxglove.Quaternion")
    outer = descriptor_pb2.FileDescriptorProto(
        name="outer.proto", package="foxglove", syntax="proto3", dependency=["inner.proto"]
    )
    message = outer.message_type.add(name=name)
    for number, (field, kind) in enumerate(fields.items(), start=1):
        known = kinds.get(kind, 11)
        message.field.add(
            name=field,
            number=number,
            label=1,
            type=known,
            type_name=None if kind in kinds else f".foxglove.{kind}",
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(inner)
    pool.Add(outer)
    files = descriptor_pb2.FileDescriptorSet(file=[outer, inner]).SerializeToString()
    return files, message_factory.GetMessageClass(pool.FindMessageTypeByName(f"foxglove.{name}"))


def _proto_log(tmp_path: Path, schema: str, descriptors: bytes, *messages: bytes) -> Log:
    parts = [message_record(1, t, data) for t, data in enumerate(messages)]
    file = tmp_path / "log.mcap"
    schema_part = schema_record(1, schema, "protobuf", descriptors)
    file.write_bytes(plain_mcap(schema_part, channel_record(1, 1, "/t", "protobuf"), *parts))
    return open_log(file)


def test_poses_and_pictures_in_protobuf_have_their_meaning(tmp_path: Path) -> None:
    files, kind = _proto("PoseInFrame", frame_id="string", pose="Pose")
    message = kind(frame_id="base", pose=POSE)
    stream = _proto_log(tmp_path, "foxglove.PoseInFrame", files, message.SerializeToString()).streams["/t"]
    assert (stream.kind, stream.frame, stream.read(0)) == ("pose", "base", EXPECTED)
    files, kind = _proto("CompressedImage", frame_id="string", data="bytes", format="string")
    jpeg = encode_jpeg(np.zeros((6, 8, 3), np.uint8))
    data = kind(frame_id="front", data=jpeg, format="jpeg").SerializeToString()
    camera = _proto_log(tmp_path, "foxglove.CompressedImage", files, data).streams["/t"]
    assert (camera.kind, camera.frame) == ("camera", "front")
    assert camera.jpeg is not None
    assert camera.jpeg(0) == jpeg


def test_other_protobuf_is_plain_values_and_damage_is_refused(tmp_path: Path) -> None:
    files, kind = _proto("Thing", speed="double", pose="Pose")
    good = kind(speed=math.inf).SerializeToString()
    stream = _proto_log(tmp_path, "foxglove.Thing", files, good, b"\xff\xff").streams["/t"]
    assert stream.read(0).decoded == {"speed": math.inf, "pose": None}  # type: ignore[attr-defined]
    with pytest.raises(SampleError, match=r"message 1 of /t: 2 bytes are no foxglove\.Thing"):
        stream.read(1)


@pytest.mark.parametrize("descriptors", [b"", b"\xff\xff", b"\x0a\x02\x0a\x00"])
def test_protobuf_without_its_descriptors_stays_bytes(tmp_path: Path, descriptors: bytes) -> None:
    message = _proto_log(tmp_path, "foxglove.Thing", descriptors, b"\x08\x01").streams["/t"].read(0)
    assert message.decoded is None  # type: ignore[attr-defined]
    assert message.data == b"\x08\x01"  # type: ignore[attr-defined]
