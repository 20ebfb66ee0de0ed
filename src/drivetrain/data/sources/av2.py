"""A log of Argoverse 2's sensor data set: cameras, lidar, boxes and lanes in the coordinates of a city.

    LOG/
      city_SE3_egovehicle.feather    timestamp_ns qw qx qy qz tx_m ty_m tz_m: the vehicle in the city, at the stamp of
                                     each sensor's message
      calibration/                   intrinsics.feather, egovehicle_SE3_sensor.feather
      sensors/cameras/NAME/          STAMP.jpg
      sensors/lidar/                 STAMP.feather: x y z in the vehicle's coordinates
      annotations.feather            boxes in the vehicle's coordinates; the test split has none
      map/                           log_map_archive_*.json

Files are called by their stamps in nanoseconds. A message whose stamp has no pose of the vehicle has a lost pose (NaN).
A box's velocity is made of the sweeps before and after it.
Source: https://argoverse.github.io/user-guide/datasets/sensor.html; https://github.com/argoverse/av2-api
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from drivetrain.core.errors import DataError, SampleError
from drivetrain.data.arrays import Bytes, Floats
from drivetrain.data.log import Box, Counted, Intrinsics, Kind, Log, Pose, Stream
from drivetrain.data.sources.av2_map import read_lanes
from drivetrain.data.sources.files import content_hash, pinhole, read_bytes, read_feather, read_image
from drivetrain.data.sources.rigid import LOST_POSE, carried, compose, velocities, yaw_of

_TURN, _PLACE = ("qw", "qx", "qy", "qz"), ("tx_m", "ty_m", "tz_m")
_SIZE = ("length_m", "width_m", "height_m")
_MOST_NS = 1 << 63
Files = dict[int, Path]


def recognise(path: Path) -> str:
    """Why this is no log of Argoverse 2, or an empty string."""
    if not path.is_dir():
        return "there is no such folder"
    missing = [name for name in ("city_SE3_egovehicle.feather", "sensors") if not (path / name).exists()]
    return f"it has no {' and no '.join(missing)}" if missing else ""


def open_log(path: Path) -> Log:
    """Open a log; poses, calibration, boxes and map are read now, images and points when asked for.

    Raises: DataError: one of these is missing, damaged or not what it should be.
    """
    reader = _Reader(path)
    streams = reader.streams()
    return Log(
        name=path.resolve().name,
        source="av2",
        content_hash=lambda: content_hash(path),
        streams={stream.name: stream for stream in streams},
        intrinsics=reader.intrinsics,
    )


class _Reader:
    """Makes the streams of a log."""

    def __init__(self, path: Path) -> None:
        """Read where the vehicle is."""
        self._path = path
        file = path / "city_SE3_egovehicle.feather"
        self._ego = dict(zip(_stamps(_feather(file, ("timestamp_ns",)), file), _poses(file), strict=True))

    def streams(self) -> list[Stream[Any]]:
        """All streams. Raises DataError."""
        stamps = np.array(sorted(self._ego), np.int64)
        poses = [self._ego[t_ns] for t_ns in stamps.tolist()]
        streams: list[Stream[Any]] = [
            Stream("pose/ego", "pose", "world", stamps, poses.__getitem__, Counted(len(poses)), len(poses))
        ]
        cameras = self._path / "sensors/cameras"
        for folder in sorted(f for f in cameras.glob("*") if f.is_dir()):
            streams += self._camera(folder)
        sweeps = _stamped(self._path / "sensors/lidar", ".feather")
        if sweeps:
            streams.append(_stream("lidar", "top", "world", sweeps, lambda t_ns: self._points(sweeps[t_ns], t_ns)))
        if (self._path / "annotations.feather").is_file():
            streams.append(self._boxes(self._path / "annotations.feather"))
        for file in sorted((self._path / "map").glob("log_map_archive_*.json"))[:1]:
            maps, first = (read_lanes(file),), stamps[:1]
            streams.append(Stream("lanes/map", "lanes", "world", first, maps.__getitem__, Counted(len(first)), 1))
        return streams

    @cached_property
    def intrinsics(self) -> dict[str, Intrinsics]:
        """Of the cameras that have images, by the names of their streams."""
        file = self._path / "calibration/intrinsics.feather"
        names = ("fx_px", "fy_px", "cx_px", "cy_px", "width_px", "height_px")
        there = {folder.name for folder in (self._path / "sensors/cameras").glob("*")}
        found = {}
        for row in _feather(file, ("sensor_name", *names)).to_pylist():
            if row["sensor_name"] in there:
                fx, fy, cx, cy, width, height = (_finite(row, name, file) for name in names)
                where = f"{file}: camera {row['sensor_name']}"
                found[f"camera/{row['sensor_name']}"] = pinhole(fx, fy, cx, cy, int(width), int(height), where=where)
        return found

    @cached_property
    def _mounted(self) -> Mapping[str, Pose]:
        """Where the sensors are on the vehicle."""
        file = self._path / "calibration/egovehicle_SE3_sensor.feather"
        names = _names(_feather(file, ("sensor_name",)), "sensor_name", file)
        return dict(zip(names, _poses(file), strict=True))

    def _camera(self, folder: Path) -> list[Stream[Any]]:
        images, name = _stamped(folder, ".jpg"), folder.name
        for table, known in (("egovehicle_SE3_sensor", self._mounted), ("intrinsics", self.intrinsics)):
            if name not in known and f"camera/{name}" not in known:
                raise DataError(f"{self._path / 'calibration' / table}.feather has no camera {name}")
        mounted, stamps = self._mounted[name], sorted(images)

        def image(t_ns: int) -> Bytes:
            return read_image(images[t_ns])

        def pose(t_ns: int) -> Pose:
            return compose(self._ego.get(t_ns, LOST_POSE), mounted)

        camera = _stream("camera", name, name, images, image, jpeg=lambda i: read_bytes(images[stamps[i]]))
        return [camera, _stream("pose", name, "world", images, pose)]

    def _points(self, file: Path, t_ns: int) -> Floats:
        table, pose = read_feather(file, ("x", "y", "z")), self._ego.get(t_ns, LOST_POSE)
        if not pose.is_valid:
            raise SampleError(f"{self._path / 'city_SE3_egovehicle.feather'} has no pose for {file}")
        return carried(np.stack([_column(table, axis, file) for axis in "xyz"], axis=1), pose)

    def _boxes(self, file: Path) -> Stream[Any]:
        """Boxes of all sweeps that have some, with velocities."""
        table = _feather(file, ("timestamp_ns", "track_uuid", "category", *_SIZE))
        stamps, sizes_N3 = _stamps(table, file), np.stack([_column(table, name, file) for name in _SIZE], axis=1)
        poses = [
            compose(self._ego.get(t_ns, LOST_POSE), inner) for t_ns, inner in zip(stamps, _poses(file), strict=True)
        ]
        labels, tracks = (_names(table, column, file) for column in ("category", "track_uuid"))
        moving = _velocities(stamps, tracks, poses)
        boxes: dict[int, list[Box]] = defaultdict(list)
        for row, (t_ns, pose) in enumerate(zip(stamps, poses, strict=True)):
            length, width, height = sizes_N3[row].tolist()
            box = Box(labels[row], pose.position, (length, width, height), yaw_of(pose), tracks[row], moving[row])
            boxes[t_ns].append(box)
        return _stream("boxes", "top", "world", boxes, lambda t_ns: tuple(boxes[t_ns]))


def _velocities(stamps: list[int], tracks: list[str], poses: list[Pose]) -> dict[int, tuple[float, float] | None]:
    """Row -> velocity of what is in it."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row in sorted(range(len(stamps)), key=stamps.__getitem__):
        rows[tracks[row]].append(row)
    found: dict[int, tuple[float, float] | None] = {}
    for own in rows.values():
        centres = np.array([poses[row].position for row in own])
        found.update(zip(own, velocities([stamps[row] for row in own], centres), strict=True))
    return found


def _stream(
    kind: Kind, name: str, frame: str, by_stamp: Mapping[int, object], read: Callable[[int], Any], **more: Any
) -> Stream[Any]:
    stamps = sorted(by_stamp)
    return Stream(
        name=f"{kind}/{name}",
        kind=kind,
        frame=frame,
        t_ns=np.array(stamps, np.int64),
        read=lambda i: read(stamps[i]),
        labels=tuple(map(str, stamps)),
        num_listed=len(stamps),
        **more,
    )


def _stamped(folder: Path, ending: str) -> Files:
    """Files called STAMP + ending, by stamp."""
    stems = {file: file.name.removesuffix(ending) for file in folder.glob(f"*{ending}")}
    return {int(stem): file for file, stem in stems.items() if stem.isdecimal() and len(stem) < 19}


def _feather(file: Path, columns: tuple[str, ...]) -> pa.Table:
    """As `read_feather`, for a table without which there is no log. Raises DataError."""
    try:
        return read_feather(file, columns)
    except SampleError as exc:
        raise DataError(exc.message, hint="Argoverse 2 publishes it: fetch the log again") from exc


def _column(table: pa.Table, name: str, file: Path) -> Floats:
    """A column of numbers, float64. Raises SampleError."""
    try:
        return np.asarray(table[name].to_numpy(), np.float64)
    except (ValueError, TypeError) as exc:
        raise SampleError(f"column {name} of {file} is not of numbers: {exc}") from exc


def _names(table: pa.Table, name: str, file: Path) -> list[str]:
    """A column of text. Raises DataError: a row has none."""
    found = table[name].to_pylist()
    if not all(isinstance(text, str) for text in found):
        raise DataError(f"column {name} of {file} is {table[name].type}; expected text in every row")
    return [str(text) for text in found]


def _stamps(table: pa.Table, file: Path) -> list[int]:
    column = table["timestamp_ns"]
    if not pa.types.is_integer(column.type) or column.null_count:
        raise DataError(f"column timestamp_ns of {file} is {column.type}; expected whole numbers in every row")
    found = [int(t_ns) for t_ns in column.to_numpy()]
    if any(not 0 <= t_ns < _MOST_NS for t_ns in found):
        raise DataError(f"column timestamp_ns of {file} has a stamp before 1970")
    return found


def _poses(file: Path) -> list[Pose]:
    """The poses of a table's rows. Raises DataError."""
    table = _feather(file, (*_TURN, *_PLACE))
    try:
        turns = np.stack([_column(table, name, file) for name in _TURN], axis=1).tolist()
        places = np.stack([_column(table, name, file) for name in _PLACE], axis=1).tolist()
    except SampleError as exc:
        raise DataError(exc.message) from exc
    return [Pose((x, y, z), (a, b, c, d)) for (a, b, c, d), (x, y, z) in zip(turns, places, strict=True)]


def _finite(row: Mapping[str, Any], name: str, file: Path) -> float:
    value = row[name]
    if not isinstance(value, int | float) or not np.isfinite(value):
        raise DataError(f"{file}: {name} of {row['sensor_name']} is {value!r}, expected a finite number")
    return float(value)
