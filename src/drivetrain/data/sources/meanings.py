"""Which kinds of streams the well-known message types are, and how their plain values become ours.

ROS 2 types by `package/Name`, Foxglove's by their name (with ROS's fields where they share a reader).
A ROS 2 type of which every field is a number is scalars, whatever it is called. What Drivetrain wrote itself says so in
the topic's metadata. All else has no meaning here, and stays a message.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from drivetrain.core.errors import SampleError
from drivetrain.data.arrays import Bytes, Floats
from drivetrain.data.log import Intrinsics, Kind, Pose
from drivetrain.data.sources import pixels, scenes
from drivetrain.data.sources.ros2msg import PRIMITIVES, Definition, short_name
from drivetrain.data.sources.scenes import number, vector

Decoded = Mapping[str, Any]
KIND, FRAME, FIELDS = "drivetrain.kind", "drivetrain.frame", "drivetrain.fields"
"""Keys of a topic's metadata that Drivetrain writes: the stream's kind, frame, and names of its numbers (JSON)."""

CLASSES, NUM_LISTED = "drivetrain.classes", "drivetrain.num_listed"
"""The log's class names by number (JSON), and how many messages the stream's own list promised."""

CALIBRATION = "calibration"
"""What KIND says of a topic that is no stream, but a camera's intrinsics."""

_HEADERS = ("std_msgs/Header", "builtin_interfaces/Time", "builtin_interfaces/Duration")
_MOST_BYTES = 1 << 15  # of a message that is numbers alone
_AXES = ("x", "y", "z")


@dataclass(frozen=True, slots=True)
class View:
    """One stream that a topic is.

    Attributes:
      kind, frame, fields: of the stream.
      read: its value of a message's plain values; may raise SampleError, or whatever a missing field raises.
      below: added to the topic's name.
      is_jpeg: whether messages hold whole JPEG files.
    """

    kind: Kind
    frame: str
    read: Callable[[Decoded], object]
    fields: tuple[str, ...] = ()
    below: str = ""
    is_jpeg: bool = False


def views_of(
    schema: str, definition: Definition | None, metadata: Mapping[str, str], first: Decoded | None
) -> Sequence[View]:
    """The streams that a topic is; none where we give its type no meaning.

    Args:
      schema: name of its type.
      definition: of a ROS 2 type.
      metadata: of the topic.
      first: its first message; None where it has none, or one that cannot be read.
    """
    first = first or {}
    frame = metadata.get(FRAME, _frame(first))
    name = short_name(schema)
    own = _OWN.get(metadata.get(KIND, ""))
    if own is not None:
        return [View(own[0], frame, own[1])]
    if name in _IMAGES:
        is_jpeg = _IMAGES[name] is image_file and _begins_as_jpeg(first)
        return [View("camera", frame, _IMAGES[name], is_jpeg=is_jpeg)] if _is_picture(first) else ()
    if name in _POSES:
        views = [View("pose", frame, _POSES[name])]
        if name == "nav_msgs/Odometry":
            views.append(
                View("scalars", str(first.get("child_frame_id", "")), _odometry_speeds, _TWIST, below=".twist")
            )
        return views
    if name in _NUMBERS:
        fields, read = _NUMBERS[name]
        return [View("scalars", frame, read, fields)]
    if name in _CLOUDS:
        return [View("lidar", frame, _CLOUDS[name])]
    return _scalars(definition, metadata, frame) if definition else ()


def _scalars(definition: Definition, metadata: Mapping[str, str], frame: str) -> Sequence[View]:
    paths = number_paths(definition)
    if not paths:
        return ()
    names = _own_fields(metadata, len(paths)) or tuple(".".join(path) for path in paths)
    return [
        View("scalars", frame, lambda decoded: np.array([_dig(decoded, path) for path in paths], np.float64), names)
    ]


def _own_fields(metadata: Mapping[str, str], count: int) -> tuple[str, ...] | None:
    try:
        names = msgspec.json.decode(metadata.get(FIELDS, "null"), type=tuple[str, ...])
    except msgspec.DecodeError:
        return None
    return names if len(names) == count else None


def number_paths(definition: Definition) -> list[tuple[str, ...]]:
    """Where the numbers of a message are, when it has nothing else (headers and stamps aside) and a float64 holds each.

    Empty otherwise: a text, an array, a 64-bit integer.
    """
    found: list[tuple[str, ...]] = []

    def visit(struct: str, path: tuple[str, ...]) -> bool:
        for field in definition.structs[struct]:
            here = (*path, field.name)
            if field.type in _HEADERS:
                continue
            if field.length is not None or field.type == "string" or PRIMITIVES.get(field.type) in ("i8", "u8"):
                return False
            if field.type in PRIMITIVES:
                found.append(here)
            elif not visit(field.type, here):
                return False
        return True

    return found if definition.least_bytes[definition.name] <= _MOST_BYTES and visit(definition.name, ()) else []


def _dig(decoded: Any, path: Sequence[str]) -> float:
    for name in path:
        decoded = decoded[name]
    return number(decoded)


def _frame(first: Decoded) -> str:
    header = first.get("header")
    frame = header.get("frame_id") if isinstance(header, dict) else first.get("frame_id", first.get("parent_frame_id"))
    return frame if isinstance(frame, str) else ""


def _pose(position: Any, orientation: Any) -> Pose:
    return Pose(vector(position), (number(orientation["w"]), *vector(orientation)))


def _stamped_pose(decoded: Decoded) -> Pose:
    pose = decoded["pose"]
    return _pose(pose["position"], pose["orientation"])


def _covariant_pose(decoded: Decoded) -> Pose:
    return _stamped_pose(decoded["pose"])


def _transform(decoded: Decoded) -> Pose:
    inner = decoded.get("transform", decoded)
    return _pose(inner["translation"], inner["rotation"])


_RATES = ("roll_rate_rad_per_s", "pitch_rate_rad_per_s", "yaw_rate_rad_per_s")  # about x, y, z
_TWIST = (*(f"velocity_{axis}_m_per_s" for axis in _AXES), *_RATES)


def _twist(decoded: Decoded) -> Any:
    return np.array([*vector(decoded["linear"]), *vector(decoded["angular"])])


def _odometry_speeds(decoded: Decoded) -> Any:
    return _twist(decoded["twist"]["twist"])


def _imu(decoded: Decoded) -> Any:
    turned = decoded["orientation"]
    parts = [vector(decoded["angular_velocity"]), vector(decoded["linear_acceleration"])]
    return np.array([*parts[0], *parts[1], number(turned["w"]), *vector(turned)])


def _fix(decoded: Decoded) -> Any:
    return np.array([number(decoded[name]) for name in ("latitude", "longitude", "altitude")])


_FIX = ("latitude_deg", "longitude_deg", "altitude_m")
_IMU = (
    *_RATES,
    *(f"acceleration_{axis}_m_per_s2" for axis in _AXES),
    *(f"orientation_{axis}" for axis in ("w", *_AXES)),
)
_NUMBERS: Mapping[str, tuple[tuple[str, ...], Callable[[Decoded], Any]]] = {
    "sensor_msgs/Imu": (_IMU, _imu),
    "sensor_msgs/NavSatFix": (_FIX, _fix),
    "foxglove.LocationFix": (_FIX, _fix),
    "geometry_msgs/Twist": (_TWIST, _twist),
    "geometry_msgs/TwistStamped": (_TWIST, lambda decoded: _twist(decoded["twist"])),
    "geometry_msgs/TwistWithCovarianceStamped": (_TWIST, _odometry_speeds),
}
_POSES: Mapping[str, Callable[[Decoded], Pose]] = {
    "geometry_msgs/PoseStamped": _stamped_pose,
    "geometry_msgs/Pose": lambda decoded: _pose(decoded["position"], decoded["orientation"]),
    "geometry_msgs/PoseWithCovarianceStamped": _covariant_pose,
    "nav_msgs/Odometry": _covariant_pose,
    "geometry_msgs/TransformStamped": _transform,
    "foxglove.PoseInFrame": _stamped_pose,
    "foxglove.FrameTransform": _transform,
}


def compressed(decoded: Decoded) -> bytes:
    """The bytes of an image file in a message; JSON has them as base64."""
    data = decoded["data"]
    return data if isinstance(data, bytes) else base64.b64decode(data, validate=True)


def image_file(decoded: Decoded) -> Bytes:
    """RGB pixels of a message that holds an image file."""
    return pixels.image_file(compressed(decoded))


def _packed_cloud(decoded: Decoded) -> Floats:
    """Points of a foxglove.PointCloud, turned and moved by the pose in it."""
    points_N3 = pixels.packed_points(compressed(decoded), decoded["point_stride"], decoded["fields"])
    if not decoded.get("pose"):
        return points_N3
    pose = _stamped_pose(decoded)
    return points_N3 @ pose.rotation.T + np.asarray(pose.position) if pose.is_valid else points_N3


_CLOUDS: Mapping[str, Callable[[Decoded], Floats]] = {
    "sensor_msgs/PointCloud2": pixels.points,
    "foxglove.PointCloud": _packed_cloud,
}
_IMAGES: Mapping[str, Callable[[Decoded], Bytes]] = {
    "sensor_msgs/CompressedImage": image_file,
    "foxglove.CompressedImage": image_file,
    "sensor_msgs/Image": pixels.image,
}


def _begins_as_jpeg(first: Decoded) -> bool:
    try:
        return compressed(first).startswith(pixels.JPEG)
    except (LookupError, TypeError, ValueError):
        return False


def _is_picture(first: Decoded) -> bool:
    """Whether we read images like this one; of depth and raw sensor images we do not know the meaning."""
    if "encoding" in first:
        return first["encoding"] in pixels.CHANNELS
    try:
        return not first or compressed(first).startswith((pixels.JPEG, pixels.PNG))
    except (LookupError, TypeError, ValueError):
        return False


def is_calibration(schema: str) -> bool:
    """Whether a type is a camera's calibration."""
    return short_name(schema) in ("sensor_msgs/CameraInfo", "foxglove.CameraCalibration")


def intrinsics(decoded: Decoded) -> Intrinsics:
    """A camera's calibration. Raises SampleError: no pinhole camera without distortion."""
    lens, distortion = decoded.get("k", decoded.get("K")), decoded.get("d", decoded.get("D")) or ()
    fx, skew, cx, _, fy, cy, *_ = (float(value) for value in lens)  # absent is a TypeError
    size = int(decoded["width"]), int(decoded["height"])
    if not all(map(math.isfinite, (fx, fy, cx, cy))) or min(fx, fy, *size) <= 0:
        raise SampleError(f"focal lengths {fx} {fy}, centre {cx} {cy}, size {size[0]}x{size[1]} are no camera's")
    if skew or any(float(value) for value in distortion):
        raise SampleError("the camera's image is distorted, so it has no intrinsics here: rectify it first")
    return Intrinsics(fx, fy, cx, cy, *size)


def _point_labels(decoded: Decoded) -> Bytes:
    return np.frombuffer(decoded["data"], np.uint8)


_OWN: Mapping[str, tuple[Kind, Callable[[Decoded], object]]] = {
    "boxes": ("boxes", scenes.boxes),
    "lanes": ("lanes", scenes.lanes),
    "point_labels": ("point_labels", _point_labels),
    "pixel_labels": ("pixel_labels", pixels.grey),
}
