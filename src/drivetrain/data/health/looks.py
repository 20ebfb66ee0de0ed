"""A few frames and sweeps, spread over the log and read once: what checks of pixels and points look at.

They are read in pairs, one and the next, to see whether the sensor says the same twice. What cannot be read is named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import cv2
import numpy as np

from drivetrain.core.errors import SampleError
from drivetrain.data.arrays import Bytes, Floats, Ints
from drivetrain.data.build import TOLERANCE_NS
from drivetrain.data.log import Box, Log, Stream
from drivetrain.data.sync import nearest

_WIDTH = 480  # of the grey picture that is kept
_DARK, _BRIGHT = 2, 253
Progress = Callable[[int, str], None]
Content = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class FrameLook:
    """One frame of a camera.

    Attributes:
      camera, index, label, t_ns: which one.
      grey_HW: its brightness, at most 480 pixels wide.
      width, height: as recorded.
      mean: brightness, 0 .. 255.
      dark_pct, bright_pct: pixels of 2 or less, of 253 or more, in per cent.
      is_repeated: whether the one before had the very same pixels; None for the first of a pair.
    """

    camera: str
    index: int
    label: str
    t_ns: int
    grey_HW: Bytes
    width: int
    height: int
    mean: float
    dark_pct: float
    bright_pct: float
    is_repeated: bool | None


@dataclass(frozen=True, eq=False)
class SweepLook:
    """One sweep of a lidar.

    Attributes:
      lidar, index, t_ns: which one.
      points_N3: world metres, those that are finite.
      class_N: the source's class per point, uint8; None where there are none.
      boxes: of the same stamp.
      num_points, num_bad: in all; not finite.
      is_repeated: as of a frame.
    """

    lidar: str
    index: int
    t_ns: int
    points_N3: Floats
    class_N: Bytes | None
    boxes: tuple[Box, ...]
    num_points: int
    num_bad: int
    is_repeated: bool | None


@dataclass
class Looks:
    """All that was read, and by stream what could not be, with why."""

    frames: list[FrameLook] = field(default_factory=list)
    sweeps: list[SweepLook] = field(default_factory=list)
    unreadable: dict[str, list[str]] = field(default_factory=dict)
    num_read: dict[str, int] = field(default_factory=dict)


def look_into(log: Log, num_looks: int, on_progress: Progress | None = None) -> Looks:
    """Read pairs of frames of each camera, spread evenly, and the pairs of sweeps of each lidar nearest to them.

    Args:
      log: what to look into.
      num_looks: how many pairs of each; 0 reads nothing.
      on_progress: called with how many messages were read, and where.
    """
    looks, num_done = Looks(), 0
    for stream, firsts in _places(log, num_looks):
        before: Content | None = None
        for index in (index for first in firsts for index in (first, first + 1) if index < len(stream)):
            is_second = index - 1 in firsts
            content = _look(log, stream, index, before if is_second else None, looks)
            before = content
            num_done += 1
            if on_progress is not None:
                on_progress(num_done, stream.name)
    return looks


def num_to_read(log: Log, num_looks: int) -> int:
    """How many frames and sweeps `look_into` would read, at most."""
    return sum(min(2 * num_looks, len(stream)) for stream in [*log.cameras, *log.of_kind("lidar")])


def _places(log: Log, num_looks: int) -> list[tuple[Stream[object], list[int]]]:
    """Cameras and lidars, and the first of each pair."""
    cameras = [(camera, _spread(len(camera), num_looks)) for camera in log.of_kind("camera")]
    lidars = [(lidar, _sweeps_near(log, lidar, num_looks)) for lidar in log.of_kind("lidar")]
    return [*cameras, *lidars]


def _spread(num_messages: int, num_looks: int) -> list[int]:
    """In the middle of so many equal parts; no two are neighbours."""
    found: list[int] = []
    for index in ((np.arange(num_looks) + 0.5) / max(1, num_looks) * max(0, num_messages - 1)).astype(int).tolist():
        if num_messages and (not found or index > found[-1] + 1):
            found.append(index)
    return found


def _sweeps_near(log: Log, lidar: Stream[object], num_looks: int) -> list[int]:
    """Sweeps nearest to the frames of the first camera, those with labels where there are any."""
    usable = np.arange(len(lidar))
    labels = log.streams.get(f"point_labels/{lidar.name.partition('/')[2]}")
    if labels is not None and len(labels):
        usable = np.flatnonzero(np.isin(lidar.t_ns, labels.t_ns))
    if log.cameras and len(usable):
        frames_ns = log.cameras[0].t_ns[_spread(len(log.cameras[0]), num_looks)]
        joined = nearest(frames_ns, lidar.t_ns[usable], tolerance_ns=TOLERANCE_NS)
        found: list[int] = np.unique(usable[joined.index_N[joined.index_N >= 0]]).tolist()
        apart = [index for i, index in enumerate(found) if not i or index > found[i - 1] + 1]
        if apart:
            return apart
    return _spread(len(lidar), num_looks)


def _look(
    log: Log,
    stream: Stream[object],
    index: int,
    before: Content | None,
    looks: Looks,
) -> Content | None:
    """Read one message and enter what is to be known of it; its content, or None where it cannot be read."""
    looks.num_read[stream.name] = looks.num_read.get(stream.name, 0) + 1
    try:
        content = np.asarray(stream.read(index))
        is_repeated = None if before is None or not content.size else bool(np.array_equal(before, content))
        if stream.t_ns[index] == stream.t_ns[index - 1]:
            is_repeated = None  # the same message twice, which its stamp tells
        if stream.kind == "camera":
            looks.frames.append(_frame(cast(Stream[Bytes], stream), index, content, is_repeated))
        else:
            looks.sweeps.append(_sweep(log, stream, index, content, is_repeated))
    except SampleError as exc:
        looks.unreadable.setdefault(stream.name, []).append(exc.message)
        return None
    return content


def _frame(camera: Stream[Bytes], index: int, image_HW3: Bytes, is_repeated: bool | None) -> FrameLook:
    height, width = image_HW3.shape[:2]
    if not image_HW3.size:
        raise SampleError(f"frame {camera.labels[index]} of {camera.name} has no pixels")
    grey = np.asarray(cv2.cvtColor(np.ascontiguousarray(image_HW3), cv2.COLOR_RGB2GRAY), np.uint8)
    if width > _WIDTH:
        size = (_WIDTH, max(1, round(height * _WIDTH / width)))
        small = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
    else:
        small = grey
    return FrameLook(
        camera.name,
        index,
        camera.labels[index],
        int(camera.t_ns[index]),
        small,
        width,
        height,
        float(grey.mean()),
        100 * float((grey <= _DARK).mean()),
        100 * float((grey >= _BRIGHT).mean()),
        is_repeated,
    )


def _sweep(log: Log, lidar: Stream[object], index: int, points_N3: Floats, is_repeated: bool | None) -> SweepLook:
    t_ns = int(lidar.t_ns[index])
    classes, boxes = _beside(log, lidar, "point_labels", t_ns), _beside(log, lidar, "boxes", t_ns)
    finite = np.isfinite(points_N3).all(axis=1) if points_N3.size else np.zeros(len(points_N3), np.bool_)
    class_N = None
    if classes is not None:
        class_N = np.asarray(classes, np.uint8)
        if len(class_N) != len(points_N3):
            raise SampleError(f"sweep {index} of {lidar.name} has {len(points_N3)} points but {len(class_N)} classes")
        class_N = class_N[finite]
    return SweepLook(
        lidar.name,
        index,
        t_ns,
        points_N3[finite],
        class_N,
        cast(tuple[Box, ...], boxes or ()),
        len(points_N3),
        int((~finite).sum()),
        is_repeated,
    )


def _beside(log: Log, lidar: Stream[object], kind: str, t_ns: int) -> object | None:
    """The message of a lidar's other stream with the same stamp."""
    stream = log.streams.get(f"{kind}/{lidar.name.partition('/')[2]}")
    at: Ints | Sequence[int] = np.flatnonzero(stream.t_ns == t_ns) if stream is not None else []
    return stream.read(int(at[0])) if stream is not None and len(at) else None
