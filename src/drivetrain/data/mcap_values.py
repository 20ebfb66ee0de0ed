"""Values of streams -> messages that other tools open: standard ROS 2 types as CDR, scenes of Foxglove as JSON.

    camera        sensor_msgs/CompressedImage; a sensor_msgs/CameraInfo beside each
    lidar         sensor_msgs/PointCloud2
    point_labels  std_msgs/UInt8MultiArray
    pixel_labels  sensor_msgs/Image, mono8
    pose          geometry_msgs/PoseStamped
    scalars       float64 by a definition made of the stream's fields: NaN and infinity stay what they are
    boxes, lanes  foxglove.SceneUpdate: cubes, lines
    message       as it was

The readers of these are in sources/meanings.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import numpy as np

from drivetrain.core.errors import SampleError
from drivetrain.core.units import NS_PER_S
from drivetrain.data.arrays import Bytes, Floats
from drivetrain.data.jpeg import encode_jpeg
from drivetrain.data.log import Box, Intrinsics, Lane, Log, Message, Pose, Stream
from drivetrain.data.sources import cdr, meanings, standard
from drivetrain.data.sources.ros2msg import parse
from drivetrain.data.sources.topics import Schema

JPEG_QUALITY = 95
_FLOAT32, _FLOAT64 = 7, 8  # sensor_msgs/PointField
_FINE_M = 16384.0  # up to here a float32 is finer than a millimetre
_TRIES = 100
_LAST_S = (1 << 31) - 1  # of a ROS stamp, in 2038; the time of the record itself goes on
_COLOUR = {"r": 0.16, "g": 0.35, "b": 0.86, "a": 0.5}


@dataclass(frozen=True, eq=False)
class Channel:
    """One stream as it is written.

    Attributes:
      schema: of its messages; its name is empty where there is none.
      message: number i of the stream, as bytes. Raises SampleError.
      metadata: what our reader wants to know of the stream.
    """

    topic: str
    stream: Stream[Any]
    schema: Schema
    encoding: str
    message: Callable[[int], bytes]
    metadata: Mapping[str, str] = field(default_factory=dict)


def channels_of(log: Log) -> list[Channel]:
    """How each stream of a log is written, by name; a camera's calibration follows the camera."""
    found = []
    for _, stream in sorted(log.streams.items()):
        found.append(_channel(log, stream))
        if stream.name in log.intrinsics:
            found.append(_calibration(stream, log.intrinsics[stream.name]))
    return found


def _channel(log: Log, stream: Stream[Any]) -> Channel:
    said = {
        meanings.KIND: stream.kind,
        meanings.FRAME: stream.frame,
        meanings.NUM_LISTED: str(stream.num_listed),
    }
    if stream.kind == "message":
        return _as_it_was(stream, {meanings.NUM_LISTED: said[meanings.NUM_LISTED]})
    if stream.kind == "point_labels":
        said[meanings.CLASSES] = msgspec.json.encode({str(n): name for n, name in log.class_names.items()}).decode()
    if stream.kind == "scalars":
        return _numbers(stream, {**said, meanings.FIELDS: msgspec.json.encode(stream.fields).decode()})
    if stream.kind in ("boxes", "lanes"):
        make = _scene_of_boxes if stream.kind == "boxes" else _scene_of_lanes
        schema = Schema("foxglove.SceneUpdate", "jsonschema", _SCENE_SCHEMA)

        def scene(i: int) -> bytes:
            entities = make(stream.read(i), int(stream.t_ns[i]), stream.frame or "world")
            cleared = {"timestamp": _stamp(int(stream.t_ns[i]), "nsec"), "type": 1, "id": ""}  # 1 is all
            return msgspec.json.encode({"deletions": [cleared], "entities": entities})

        return Channel(stream.name, stream, schema, "json", scene, said)
    schema_name, values = _ROS[stream.kind]
    return _ros(stream.name, stream, schema_name, lambda i: values(stream, i), said)


def _ros(
    topic: str, stream: Stream[Any], schema: str, values: Callable[[int], dict[str, Any]], said: Mapping[str, str]
) -> Channel:
    definition = standard.definition_of(schema)

    def message(i: int) -> bytes:
        header = {"stamp": _stamp(int(stream.t_ns[i]), "nanosec"), "frame_id": stream.frame}
        return cdr.encode(definition, {"header": header, **values(i)})

    text = standard.definition_text(schema).encode()
    return Channel(topic, stream, Schema(schema, "ros2msg", text), "cdr", message, said)


def _stamp(t_ns: int, nanoseconds: str) -> dict[str, int]:
    return {"sec": min(t_ns // NS_PER_S, _LAST_S), nanoseconds: t_ns % NS_PER_S}


def _picture(stream: Stream[Bytes], i: int) -> dict[str, Any]:
    data = stream.jpeg(i) if stream.jpeg else encode_jpeg(stream.read(i), quality=JPEG_QUALITY)
    return {"format": "jpeg", "data": data}


def _cloud(stream: Stream[Floats], i: int) -> dict[str, Any]:
    points_N3 = stream.read(i)
    fine = np.nanmax(np.abs(points_N3), initial=0.0) < _FINE_M
    data_N3 = np.ascontiguousarray(points_N3, "<f4" if fine else "<f8")
    size, kind = (4, _FLOAT32) if fine else (8, _FLOAT64)
    return {
        "height": 1,
        "width": len(data_N3),
        "fields": [{"name": a, "offset": k * size, "datatype": kind, "count": 1} for k, a in enumerate("xyz")],
        "is_bigendian": False,
        "point_step": 3 * size,
        "row_step": 3 * size * len(data_N3),
        "data": data_N3.tobytes(),
        "is_dense": bool(np.isfinite(data_N3).all()),
    }


def _posed(stream: Stream[Pose], i: int) -> dict[str, Any]:
    pose = stream.read(i)
    w, x, y, z = pose.heading
    return {"pose": {"position": _xyz(pose.position), "orientation": {"x": x, "y": y, "z": z, "w": w}}}


def _xyz(values: Sequence[float]) -> dict[str, float]:
    return dict(zip("xyz", map(float, values), strict=True))


def _classes(stream: Stream[Bytes], i: int) -> dict[str, Any]:
    return {"layout": {"dim": [], "data_offset": 0}, "data": stream.read(i).tobytes()}


def _label_map(stream: Stream[Bytes], i: int) -> dict[str, Any]:
    label_HW = stream.read(i)
    height, width = label_HW.shape
    size = {"height": height, "width": width, "step": width}
    return {**size, "encoding": "mono8", "is_bigendian": 0, "data": label_HW.tobytes()}


_ROS: Mapping[str, tuple[str, Callable[[Stream[Any], int], dict[str, Any]]]] = {
    "camera": ("sensor_msgs/msg/CompressedImage", _picture),
    "lidar": ("sensor_msgs/msg/PointCloud2", _cloud),
    "pose": ("geometry_msgs/msg/PoseStamped", _posed),
    "point_labels": ("std_msgs/msg/UInt8MultiArray", _classes),
    "pixel_labels": ("sensor_msgs/msg/Image", _label_map),
}


def _calibration(camera: Stream[Any], lens: Intrinsics) -> Channel:
    values = {
        "height": lens.height,
        "width": lens.width,
        "distortion_model": "plumb_bob",
        "d": [0.0] * 5,
        "k": [lens.fx, 0.0, lens.cx, 0.0, lens.fy, lens.cy, 0.0, 0.0, 1.0],
        "r": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        "p": [lens.fx, 0.0, lens.cx, 0.0, 0.0, lens.fy, lens.cy, 0.0, 0.0, 0.0, 1.0, 0.0],
        "binning_x": 0,
        "binning_y": 0,
        "roi": {"x_offset": 0, "y_offset": 0, "height": 0, "width": 0, "do_rectify": False},
    }
    said = {meanings.KIND: meanings.CALIBRATION}
    return _ros(f"{camera.name}/camera_info", camera, "sensor_msgs/msg/CameraInfo", lambda _: values, said)


def _numbers(stream: Stream[Any], said: Mapping[str, str]) -> Channel:
    name = "drivetrain_msgs/msg/" + (
        "".join(map(str.capitalize, re.findall(r"[A-Za-z0-9]+", stream.name))) or "Numbers"
    )
    text = "".join(f"float64 {field}\n" for field in field_names(stream.fields))
    definition = parse(name, text)
    head = cdr.encode(definition, {field.name: 0.0 for field in definition.fields})[:4]
    return Channel(
        topic=stream.name,
        stream=stream,
        schema=Schema(name, "ros2msg", text.encode()),
        encoding="cdr",
        message=lambda i: head + np.asarray(stream.read(i), "<f8").tobytes(),
        metadata=said,
    )


def field_names(names: Sequence[str]) -> list[str]:
    """Names as ROS 2 wants them (small letters, digits, single underscores, a letter first), each once."""
    found: list[str] = []
    for name in names:
        plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "value"
        plain = plain if plain[0].isalpha() else f"value_{plain}"
        number = 2
        unique = plain
        while unique in found:
            unique, number = f"{plain}_{number}", number + 1
        found.append(unique)
    return found


def _as_it_was(stream: Stream[Message], said: Mapping[str, str]) -> Channel:
    first = _first(stream)
    schema = Schema(first.schema, first.definition_encoding, first.definition)
    return Channel(stream.name, stream, schema, first.encoding, lambda i: stream.read(i).data, said)


def _first(stream: Stream[Message]) -> Message:
    """The first message of a few that can be read: all of a stream are of one type."""
    for i in range(min(len(stream), _TRIES)):
        with suppress(SampleError):
            return stream.read(i)
    return Message("", "", b"")


def _entity(name: str, t_ns: int, frame: str, said: Mapping[str, str], **shapes: object) -> dict[str, Any]:
    kinds = ("arrows", "cubes", "spheres", "cylinders", "lines", "triangles", "texts", "models")
    return {
        "timestamp": _stamp(t_ns, "nsec"),
        "frame_id": frame,
        "id": name,
        "lifetime": {"sec": 0, "nsec": 0},
        "frame_locked": False,
        "metadata": [{"key": key, "value": value} for key, value in said.items()],
        **dict.fromkeys(kinds, ()),
        **shapes,
    }


def _scene_of_boxes(boxes: Sequence[Box], t_ns: int, frame: str) -> list[dict[str, Any]]:
    entities = []
    for number, box in enumerate(boxes):
        said = {"label": box.label, "yaw": repr(float(box.yaw))}
        if box.track:
            said["track"] = box.track
        if box.velocity is not None:
            said["velocity"] = " ".join(repr(float(part)) for part in box.velocity)
        turned = {"x": 0.0, "y": 0.0, "z": float(np.sin(box.yaw / 2)), "w": float(np.cos(box.yaw / 2))}
        pose = {"position": _xyz(box.centre), "orientation": turned}
        cube = {"pose": pose, "size": _xyz(box.size), "color": _COLOUR}
        entities.append(_entity(f"{number}", t_ns, frame, said, cubes=[cube]))
    return entities


def _scene_of_lanes(lanes: Sequence[Lane], t_ns: int, frame: str) -> list[dict[str, Any]]:
    entities = []
    for lane in lanes:
        said = {"successors": msgspec.json.encode(lane.successors).decode(), "left": lane.left, "right": lane.right}
        if lane.speed_limit_m_per_s is not None:
            said["speed_limit_m_per_s"] = repr(float(lane.speed_limit_m_per_s))
        borders = [_line(lane.left_N2), _line(lane.right_N2)]
        entities.append(_entity(lane.name, t_ns, frame, said, lines=borders))
    return entities


def _line(border_N2: Floats) -> dict[str, Any]:
    nowhere = {"position": _xyz((0, 0, 0)), "orientation": {**_xyz((0, 0, 0)), "w": 1.0}}
    points = [{"x": x, "y": y, "z": 0.0} for x, y in cast(list[list[float]], border_N2.tolist())]
    shape = {"type": 0, "pose": nowhere, "thickness": 2.0, "scale_invariant": True, "points": points}  # 0 is a strip
    return {**shape, "color": _COLOUR, "colors": [], "indices": []}


def _object(**properties: object) -> dict[str, object]:
    return {"type": "object", "properties": properties}


def _list_of(item: object) -> dict[str, object]:
    return {"type": "array", "items": item}


def _scene_schema() -> dict[str, object]:
    """The JSON schema of what we use of foxglove.SceneUpdate; source: https://docs.foxglove.dev/docs/sdk/schemas."""
    number, integer, text, flag = ({"type": kind} for kind in ("number", "integer", "string", "boolean"))
    stamp, vector = _object(sec=integer, nsec=integer), _object(x=number, y=number, z=number)
    pose = _object(position=vector, orientation=_object(x=number, y=number, z=number, w=number))
    colour = _object(r=number, g=number, b=number, a=number)
    cube = _object(pose=pose, size=vector, color=colour)
    line = _object(
        type=integer,
        pose=pose,
        thickness=number,
        scale_invariant=flag,
        points=_list_of(vector),
        color=colour,
        colors=_list_of(colour),
        indices=_list_of(integer),
    )
    entity = _object(
        timestamp=stamp,
        frame_id=text,
        id=text,
        lifetime=stamp,
        frame_locked=flag,
        metadata=_list_of(_object(key=text, value=text)),
        cubes=_list_of(cube),
        lines=_list_of(line),
    )
    deletion = _object(timestamp=stamp, type=integer, id=text)
    return {"title": "foxglove.SceneUpdate", **_object(deletions=_list_of(deletion), entities=_list_of(entity))}


_SCENE_SCHEMA = msgspec.json.encode(_scene_schema())
