"""Images and points in messages -> arrays; every size a message claims is held against the bytes it brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from drivetrain.core.errors import SampleError
from drivetrain.data.arrays import Bytes, Floats
from drivetrain.data.jpeg import decode_jpeg

JPEG, PNG = b"\xff\xd8", b"\x89PNG"
CHANNELS: Mapping[str, tuple[int, ...]] = {
    "rgb8": (0, 1, 2),
    "bgr8": (2, 1, 0),
    "rgba8": (0, 1, 2, -1),
    "bgra8": (2, 1, 0, -1),
    "8UC3": (2, 1, 0),
    "mono8": (0,),
    "8UC1": (0,),
}
"""Encoding of a sensor_msgs/Image that we read -> where red, green and blue are; -1 is left out, one is grey."""

_MOST_PIXELS = 1 << 27
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}  # sensor_msgs/PointField
_PACKED = {1: 2, 2: 1, 3: 4, 4: 3, 5: 6, 6: 5, 7: 7, 8: 8}  # foxglove.PackedElementField's number of the same type


def image_file(data: bytes) -> Bytes:
    """RGB pixels (uint8, HW3) of a JPEG or PNG file. Raises SampleError: it is neither, or not whole."""
    if data.startswith(JPEG):
        return decode_jpeg(data, where="the image")
    if not data.startswith(PNG) or len(data) < 24:
        raise SampleError(f"the image of {len(data)} bytes is neither JPEG nor PNG: it begins {data[:4].hex(' ')}")
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if width * height > _MOST_PIXELS:
        raise SampleError(f"the PNG claims {width}x{height} pixels in {len(data)} bytes")
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise SampleError(f"the image is not a whole PNG ({len(data)} bytes)")
    return np.ascontiguousarray(bgr[..., ::-1]).astype(np.uint8, copy=False)


def image(decoded: Mapping[str, Any]) -> Bytes:
    """RGB pixels (uint8, HW3) of a sensor_msgs/Image. Raises SampleError: an encoding not read, or too few bytes."""
    order = CHANNELS.get(decoded["encoding"])
    if order is None:
        raise SampleError(f"the image has encoding {decoded['encoding']!r}; read are {', '.join(CHANNELS)}")
    raw_HWC = _raw(decoded, len(order))
    return np.ascontiguousarray(raw_HWC[..., [order[0]] * 3 if len(order) == 1 else list(order[:3])])


def grey(decoded: Mapping[str, Any]) -> Bytes:
    """The pixels (uint8, HW) of a sensor_msgs/Image of one channel."""
    return np.ascontiguousarray(_raw(decoded, 1)[..., 0])


def _raw(decoded: Mapping[str, Any], channels: int) -> Bytes:
    height, width, step, data = decoded["height"], decoded["width"], decoded["step"], decoded["data"]
    if not height or not width or step < width * channels or height * step > len(data):
        raise SampleError(f"an image of {width}x{height} pixels, {step} bytes a row, is not in {len(data)} bytes")
    rows = np.frombuffer(data, np.uint8, height * step).reshape(height, step)
    return rows[:, : width * channels].reshape(height, width, channels)


def points(decoded: Mapping[str, Any]) -> Floats:
    """Points (float64, N3, metres) of a sensor_msgs/PointCloud2, in its own frame and order.

    Those without a return are NaN.

    Raises: SampleError: it has no x, y, z, or fewer bytes than points.
    """
    height, width, step, data = decoded["height"], decoded["width"], decoded["point_step"], decoded["data"]
    row_step = decoded["row_step"] if height > 1 else width * step
    fields = {field["name"]: field for field in decoded["fields"]}
    places = [(fields[axis]["offset"], _NUMBERS.get(fields[axis]["datatype"], "")) for axis in "xyz" if axis in fields]
    if len(places) < 3 or any(not code or offset + int(code[1]) > step for offset, code in places):
        raise SampleError(
            f"the points of {step} bytes have fields {', '.join(map(repr, fields))}, not x, y, z as numbers"
        )
    if width * step > row_step or height * row_step > len(data):
        raise SampleError(f"{height} x {width} points of {step} bytes are not in {len(data)} bytes")
    order = ">" if decoded["is_bigendian"] else "<"
    points_N3 = np.empty((height * width, 3), np.float64)
    for axis, (offset, code) in enumerate(places if len(points_N3) else ()):
        found = np.ndarray((height, width), order + code, data, offset, (row_step, step))
        points_N3[:, axis] = found.ravel()
    return points_N3


def packed_points(data: bytes, stride: int, fields: Sequence[Mapping[str, Any]]) -> Floats:
    """Points (float64, N3) of a foxglove.PointCloud, before its pose. Raises SampleError: see `points`."""
    if stride < 1 or len(data) % stride:
        raise SampleError(f"points of {stride} bytes do not make up {len(data)} bytes")
    described = [{**field, "datatype": _PACKED.get(field["type"], 0)} for field in fields]
    cloud = {"height": 1, "width": len(data) // stride, "point_step": stride, "row_step": len(data)}
    return points({**cloud, "data": data, "fields": described, "is_bigendian": False})
