"""Pictures of one frame or one sample: points and boxes over a log's image, a sample's parts side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import cv2
import numpy as np

from drivetrain.core.errors import DataError, SampleError
from drivetrain.data.arrays import Bytes, Floats
from drivetrain.data.classes import colour_labels, group_of, merge_table
from drivetrain.data.dataset import DataSet
from drivetrain.data.log import Box, Intrinsics, Log, Pose, Stream
from drivetrain.data.project import NEAR_M, inside, project
from drivetrain.data.sync import nearest

_TOLERANCE_NS = 100_000_000  # between a frame and the points and boxes drawn over it
_FARTHEST_M = 80.0  # depth at which the colours of points end
_EDGES = ((0, 1), (1, 3), (3, 2), (2, 0), (4, 5), (5, 7), (7, 6), (6, 4), (0, 4), (1, 5), (2, 6), (3, 7))
_PLAIN, _BACKGROUND = (240, 240, 240), 24
_PLOT_PX = 480


def draw_frame(log: Log, number: int, *, camera: str = "") -> Bytes:
    """A camera frame with the points and boxes nearest in time drawn over it; RGB, HW3, at the recorded size.

    Points have the colour of their class, or of their depth where they have none; boxes that of their class, with a
    cross on the front.

    Args:
      log: that has it.
      number: of the frame, from 0.
      camera: the stream's name; the first camera by default.
    Raises: DataError: no such camera or frame. SampleError: it, its pose, points or boxes cannot be read.
    """
    stream = _camera(log, camera)
    if not 0 <= number < len(stream):
        raise DataError(f"{stream.name} of log {log.name} has no frame {number}", hint=f"it has 0 .. {len(stream) - 1}")
    picture, pose = stream.read(number).copy(), log.poses_of(stream).read(number)
    if not pose.is_valid:
        raise SampleError(f"pose {number} of {stream.name} is not finite: {pose.position} {pose.heading}")
    lens, t_ns = log.intrinsics[stream.name], int(stream.t_ns[number])
    for lidar in cast(list[Stream[Floats]], log.of_kind("lidar"))[:1]:
        at = _near(lidar, t_ns)
        if at is not None:
            points_N3 = lidar.read(at)
            _draw_points(picture, points_N3, _point_colours(log, lidar, at, len(points_N3)), pose, lens)
    for boxes in cast(list[Stream[tuple[Box, ...]]], log.of_kind("boxes"))[:1]:
        at = _near(boxes, t_ns)
        for box in boxes.read(at) if at is not None else ():
            _draw_box(picture, box, pose, lens)
    return picture


def draw_sample(dataset: DataSet, row: int) -> Bytes:
    """What can be seen of a sample: images, label maps, and arrays of points in a plane from above; RGB, HW3.

    Raises: SampleError: it is damaged. DataError: none of its parts can be seen.
    """
    sample = dataset.read(row)
    images = [value for name, value in sample.parts.items() if name.endswith(".jpg")]
    labels = [colour_labels(cast(Bytes, value)) for name, value in sample.parts.items() if name.endswith(".png")]
    pictures = [cast(Bytes, image) for image in images] + labels
    pictures += [_blend(cast(Bytes, i), m) for i in images for m in labels if cast(Bytes, i).shape == m.shape]
    lines = [line for name, value in sample.parts.items() if name.endswith(".npy") for line in _lines(value)]
    pictures += [_plot(lines)] if lines else []
    if not pictures:
        raise DataError(f"nothing of sample {sample.key} can be drawn; its parts are {', '.join(sample.parts)}")
    return _side_by_side(pictures)


def _camera(log: Log, name: str) -> Stream[Bytes]:
    found = [camera for camera in log.cameras if name in ("", camera.name)]
    if not found:
        have = ", ".join(camera.name for camera in log.cameras) or "none"
        raise DataError(f"log {log.name} has no camera {name}".rstrip(), hint=f"its cameras: {have}")
    return found[0]


def _near(stream: Stream[object], t_ns: int) -> int | None:
    at = int(nearest(np.array([t_ns]), stream.t_ns, tolerance_ns=_TOLERANCE_NS).index_N[0])
    return at if at >= 0 else None


def _point_colours(log: Log, lidar: Stream[Floats], at: int, num_points: int) -> Bytes | None:
    """Of each point by its class, N3; None where points have no classes."""
    labels = log.streams.get(f"point_labels/{lidar.name.partition('/')[2]}")
    if labels is None:
        return None
    found = np.flatnonzero(labels.t_ns == lidar.t_ns[at])
    if not len(found):
        return None
    class_N = cast(Bytes, labels.read(int(found[0])))
    return colour_labels(merge_table(log.class_names)[0][class_N]) if len(class_N) == num_points else None


def _draw_points(picture: Bytes, points_N3: Floats, colours_N3: Bytes | None, pose: Pose, lens: Intrinsics) -> None:
    """Far ones first, so that near ones hide them; each as large as the image is wide in 800 parts."""
    uv_N2, depth_N = project(points_N3, pose, lens)
    seen = np.flatnonzero(inside(uv_N2, lens))
    seen = seen[np.argsort(-depth_N[seen])]
    if colours_N3 is None:
        scale_N = np.clip(255 - 255 * depth_N[seen] / _FARTHEST_M, 0, 255).astype(np.uint8)
        colours = cv2.applyColorMap(scale_N[:, None], cv2.COLORMAP_TURBO)[:, 0, ::-1]
    else:
        colours = colours_N3[seen]
    column_N, row_N = np.rint(uv_N2[seen]).astype(np.int64).T
    reach = max(0, lens.width // 1600)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            rows, columns = np.clip(row_N + dy, 0, lens.height - 1), np.clip(column_N + dx, 0, lens.width - 1)
            picture[rows, columns] = colours


def _draw_box(picture: Bytes, box: Box, pose: Pose, lens: Intrinsics) -> None:
    corners_N3 = (_corners(box) - np.asarray(pose.position)) @ pose.rotation
    group = group_of(box.label)
    colour = _PLAIN if group is None else tuple(colour_labels(np.array([[group]], np.uint8))[0, 0].tolist())
    width = max(1, lens.width // 640)
    for first, last in (*_EDGES, (0, 3), (1, 2)):
        ends = _cut(corners_N3[first], corners_N3[last])
        if ends is not None:
            a, b = ((lens.fx * x / z + lens.cx, lens.fy * y / z + lens.cy) for x, y, z in ends)
            _draw_line(picture, a, b, colour, width)


def _corners(box: Box) -> Floats:
    """Eight corners in the world, 8 x 3; the first four are of the front."""
    length, width, height = box.size
    offsets = [(x, y, z) for x in (1, -1) for y in (1, -1) for z in (1, -1)]
    local = np.array(offsets) * np.array([length, width, height]) / 2
    cos, sin = np.cos(box.yaw), np.sin(box.yaw)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    corners: Floats = local @ turn.T + np.asarray(box.centre)
    return corners


def _cut(a: Floats, b: Floats) -> tuple[Floats, Floats] | None:
    """The part of an edge that is before the camera, if any."""
    if max(a[2], b[2]) <= NEAR_M:
        return None
    if a[2] < NEAR_M:
        a = b + (a - b) * (b[2] - NEAR_M) / (b[2] - a[2])
    elif b[2] < NEAR_M:
        b = a + (b - a) * (a[2] - NEAR_M) / (a[2] - b[2])
    return a, b


def _draw_line(
    picture: Bytes, a: tuple[float, float], b: tuple[float, float], colour: Sequence[int], width: int
) -> None:
    if not np.isfinite([*a, *b]).all() or np.abs([*a, *b]).max() > 1 << 20:
        return
    (ax, ay), (bx, by) = np.rint(a).astype(int).tolist(), np.rint(b).astype(int).tolist()
    height, columns = picture.shape[:2]
    is_seen, start, end = cv2.clipLine((-width, -width, columns + 2 * width, height + 2 * width), (ax, ay), (bx, by))
    if is_seen:
        cv2.line(picture, start, end, colour, width, cv2.LINE_AA)


def _blend(image: Bytes, labels: Bytes) -> Bytes:
    mixed = np.where(labels.any(axis=2, keepdims=True), (image // 2 + labels // 2), image)
    return cast(Bytes, mixed.astype(np.uint8))


def _lines(value: object) -> list[tuple[Floats, bool]]:
    """Points in a plane that an array holds: those of (N, 2 or more) apart, each of (K, N, 2 or more) a line.

    A last column of nothing but 0 and 1, after x and y, says which points there are.
    """
    array = np.asarray(value)
    if not np.issubdtype(array.dtype, np.floating) or array.ndim not in (2, 3) or array.shape[-1] < 2 or not array.size:
        return []
    is_line = array.ndim == 3
    there = np.isfinite(array[..., :2]).all(axis=-1)
    if array.shape[-1] > 2 and np.isin(array[..., -1], (0, 1)).all():
        there &= array[..., -1] == 1
    rows = zip(array, there, strict=True) if is_line else [(array, there)]
    found = [np.asarray(row[kept, :2], np.float64) for row, kept in rows]
    return [(row, is_line) for row in found if len(row)]


def _plot(lines: list[tuple[Floats, bool]]) -> Bytes:
    """Lines and points from above, x to the right and y up, one scale for both."""
    together = np.concatenate([line for line, _ in lines])
    low, high = together.min(axis=0), together.max(axis=0)
    scale = 0.9 * _PLOT_PX / max(float((high - low).max()), 1e-6)
    plot = np.full((_PLOT_PX, _PLOT_PX, 3), _BACKGROUND, np.uint8)
    hues = np.linspace(60, 230, len(lines)).astype(np.uint8)[:, None]
    colours = cv2.applyColorMap(hues, cv2.COLORMAP_TURBO)[:, 0, ::-1].tolist()
    for (line, is_line), colour in zip(lines, colours, strict=True):
        at = np.rint((line - (low + high) / 2) * scale * [1, -1] + _PLOT_PX / 2).astype(np.int32)
        if is_line:
            cv2.polylines(plot, [at], isClosed=False, color=colour, thickness=1, lineType=cv2.LINE_AA)
        else:
            for point in at.tolist():
                cv2.circle(plot, point, 3, colour, -1, cv2.LINE_AA)
    return plot


def _side_by_side(pictures: list[Bytes]) -> Bytes:
    height = max(picture.shape[0] for picture in pictures)
    padded = [np.pad(p, ((0, height - p.shape[0]), (0, 0), (0, 0)), constant_values=_BACKGROUND) for p in pictures]
    return np.hstack(padded)
