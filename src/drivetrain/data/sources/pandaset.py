"""A PandaSet sequence: cameras as JPEG, lidar and classes per point as parquet or as the published pickles.

    camera/NAME/   NN.jpg ... and intrinsics.json poses.json timestamps.json
    lidar/         poses.json timestamps.json, NN.pkl.gz ...      or lidar_parquet/NN.parquet ...
    annotations/   semseg/classes.json, semseg/NN.pkl.gz ...      or semseg_parquet/NN.parquet ...
                   cuboids/NN.pkl.gz ...                          or cuboids.parquet
    meta/          gps.json timestamps.json

A file NN belongs to entry NN of timestamps.json; which NN exist is up to the sequence. Points are in world coordinates.
Source: https://github.com/scaleapi/pandaset-devkit
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from drivetrain.core.errors import DataError, SampleError
from drivetrain.data.arrays import Bytes, Floats
from drivetrain.data.log import Box, Intrinsics, Kind, Log, Pose, Stream, scalar_stream
from drivetrain.data.sources.files import (
    content_hash,
    image_size,
    pinhole,
    read_bytes,
    read_image,
    read_parquet,
    seconds_to_ns,
)
from drivetrain.data.sources.pickles import read_table

T = TypeVar("T")
Table = Mapping[str, np.ndarray[Any, Any]]
Files = dict[int, Path]
_BOX_COLUMNS = ("uuid", "label", "yaw", *(f"{part}.{axis}" for part in ("position", "dimensions") for axis in "xyz"))


@dataclass(frozen=True, slots=True)
class _Intrinsics:
    fx: float
    fy: float
    cx: float
    cy: float


@dataclass(frozen=True, slots=True)
class _Position:
    x: float
    y: float
    z: float


@dataclass(frozen=True, slots=True)
class _Heading:
    w: float
    x: float
    y: float
    z: float


@dataclass(frozen=True, slots=True)
class _Pose:
    position: _Position
    heading: _Heading


@dataclass(frozen=True, slots=True)
class _Gps:
    lat: float
    long: float
    height: float
    xvel: float
    yvel: float


def recognise(path: Path) -> str:
    """Why this is no PandaSet sequence, or an empty string."""
    if not path.is_dir():
        return "there is no such folder"
    missing = [name for name in ("camera", "lidar/timestamps.json") if not (path / name).exists()]
    return f"it has no {' and no '.join(missing)}" if missing else ""


def open_log(path: Path) -> Log:
    """Open a sequence; lists (JSON) are read now, images, points and classes when asked for.

    Raises: DataError: a list is missing or wrong, or a camera or the lidar has no files.
    """
    streams: list[Stream[Any]] = []
    intrinsics = {}
    for folder in sorted(p for p in (path / "camera").iterdir() if p.is_dir()):
        camera, poses, intrinsics[f"camera/{folder.name}"] = _camera(folder)
        streams += [camera, poses]
    lidar = _lidar(path)
    streams += lidar + _gps(path / "meta")
    class_names = {}
    if any(stream.kind == "point_labels" for stream in lidar):
        listed = _read_json(path / "annotations/semseg/classes.json", dict[str, str])
        class_names = {_number(path / "annotations/semseg/classes.json", key): name for key, name in listed.items()}
    return Log(
        name=path.resolve().name,
        source="pandaset",
        content_hash=lambda: content_hash(path),
        streams={stream.name: stream for stream in streams},
        intrinsics=intrinsics,
        class_names=class_names,
    )


def _camera(folder: Path) -> tuple[Stream[Bytes], Stream[Pose], Intrinsics]:
    files = _numbered(folder, ".jpg")
    if not files:
        raise DataError(
            f"{folder} has no images", hint="a PandaSet camera has 00.jpg, 01.jpg, ... and three JSON files"
        )
    stamps = _stamps(folder / "timestamps.json")
    pose = _poses(folder, len(stamps))
    numbers = sorted(files)

    def frame(number: int) -> Bytes:
        return read_image(files[number])

    lens = _read_json(folder / "intrinsics.json", _Intrinsics)
    width, height = image_size((files[number] for number in numbers), folder=folder)
    where = str(folder / "intrinsics.json")
    intrinsics = pinhole(lens.fx, lens.fy, lens.cx, lens.cy, width, height, where=where)
    name = folder.name
    return (
        replace(
            _stream(f"camera/{name}", "camera", name, numbers, stamps, frame, files),
            jpeg=lambda i: read_bytes(files[numbers[i]]),
        ),
        _stream(f"pose/{name}", "pose", "world", numbers, stamps, pose, files),
        intrinsics,
    )


def _poses(folder: Path, num_stamps: int) -> Callable[[int], Pose]:
    """Pose number i of a sensor, one per stamp."""
    listed = _read_json(folder / "poses.json", list[_Pose])
    if len(listed) != num_stamps:
        raise DataError(f"{folder / 'poses.json'} has {len(listed)} entries, but timestamps.json has {num_stamps}")

    def pose(number: int) -> Pose:
        at, turned = listed[number].position, listed[number].heading
        return Pose((at.x, at.y, at.z), (turned.w, turned.x, turned.y, turned.z))

    return pose


def _lidar(path: Path) -> list[Stream[Any]]:
    """The points, and where there are files for them, the lidar's poses, the points' classes and the boxes."""
    stamps = _stamps(path / "lidar/timestamps.json")
    points = _either(path / "lidar_parquet", path / "lidar")
    if not points:
        raise DataError(f"{path} has no lidar files", hint="expected lidar_parquet/NN.parquet or lidar/NN.pkl.gz")

    def sweep(number: int) -> Floats:
        table = _table(points[number], ("x", "y", "z"))
        return np.stack([table[axis].astype(np.float64) for axis in "xyz"], axis=1)

    streams: list[Stream[Any]] = [_stream("lidar/top", "lidar", "world", sorted(points), stamps, sweep, points)]
    if (path / "lidar/poses.json").is_file():
        pose = _poses(path / "lidar", len(stamps))
        streams.append(_stream("pose/top", "pose", "world", sorted(points), stamps, pose, points))
    labels = _either(path / "annotations/semseg_parquet", path / "annotations/semseg")
    if labels:

        def classes(number: int) -> Bytes:
            return _table(labels[number], ("class",))["class"].astype(np.uint8)

        name = "point_labels/top"
        streams.append(_stream(name, "point_labels", "world", sorted(labels), stamps, classes, labels))
    boxes = _boxes(path / "annotations", len(stamps))
    if boxes is not None:
        numbers, read = boxes
        streams.append(_stream("boxes/top", "boxes", "world", numbers, stamps, read, {}))
    return streams


def _boxes(folder: Path, num_stamps: int) -> tuple[list[int], Callable[[int], tuple[Box, ...]]] | None:
    """Which sweeps have boxes and how to read them; None where there are none."""
    together, apart = folder / "cuboids.parquet", _numbered(folder / "cuboids", ".pkl.gz")
    if not together.is_file():
        return (sorted(apart), lambda number: _as_boxes(_table(apart[number], _BOX_COLUMNS))) if apart else None

    @lru_cache(maxsize=1)
    def whole() -> pa.Table:
        return read_parquet(together, ("frame", *_BOX_COLUMNS))

    def read(number: int) -> tuple[Box, ...]:
        rows = whole().filter(pc.equal(whole()["frame"], pa.scalar(number, whole()["frame"].type)))
        return _as_boxes({name: rows[name].to_numpy() for name in _BOX_COLUMNS})

    try:
        frames = np.unique(whole()["frame"].to_numpy()).tolist()
    except SampleError as exc:
        raise DataError(exc.message) from exc
    return sorted(number for number in frames if 0 <= number < num_stamps), read


def _as_boxes(table: Table) -> tuple[Box, ...]:
    centres = np.stack([table[f"position.{axis}"] for axis in "xyz"], axis=1).astype(float).tolist()
    # A cuboid's length lies along its own y, so what faces yaw 0 for the publisher looks along the world's y.
    sizes = np.stack([table[f"dimensions.{axis}"] for axis in "yxz"], axis=1).astype(float).tolist()
    yaws = (table["yaw"].astype(float) + 1.5 * np.pi) % (2 * np.pi) - np.pi
    return tuple(
        Box(str(label), tuple(centre), tuple(size), float(yaw), track=str(uuid))
        for label, centre, size, yaw, uuid in zip(table["label"], centres, sizes, yaws, table["uuid"], strict=True)
    )


def _gps(folder: Path) -> list[Stream[Any]]:
    """Where the vehicle is on Earth, if the sequence says."""
    file = folder / "gps.json"
    if not file.is_file():
        return []
    listed, stamps = _read_json(file, list[_Gps]), _stamps(folder / "timestamps.json")
    if len(listed) != len(stamps):
        raise DataError(f"{file} has {len(listed)} entries, but timestamps.json has {len(stamps)}")
    values = np.array([(at.lat, at.long, at.height, at.xvel, at.yvel) for at in listed], np.float64).reshape(-1, 5)
    fields = ("latitude_deg", "longitude_deg", "height_m", "velocity_x_m_per_s", "velocity_y_m_per_s")
    return [scalar_stream("scalars/gps", fields, np.array(stamps, np.int64), lambda: values)]


def _stream(
    name: str,
    kind: Kind,
    frame: str,
    numbers: list[int],
    stamps: list[int],
    read: Callable[[int], T],
    files: Files,
) -> Stream[T]:
    beyond = [number for number in numbers if number >= len(stamps)]
    if beyond:
        where = files.get(beyond[0], name)
        raise DataError(f"{where} has no stamp: timestamps.json has {len(stamps)}, counted from 0")
    return Stream(
        name=name,
        kind=kind,
        frame=frame,
        t_ns=np.array([stamps[number] for number in numbers], np.int64),
        read=lambda i: read(numbers[i]),
        labels=tuple(f"{number:02d}" for number in numbers),
        num_listed=len(stamps),
    )


def _numbered(folder: Path, ending: str) -> Files:
    """Files called NN + ending, by number."""
    stems = {file: file.name.removesuffix(ending) for file in folder.glob(f"*{ending}")}
    return {int(stem): file for file, stem in stems.items() if stem.isdecimal()}


def _either(parquet: Path, pickles: Path) -> Files:
    return _numbered(parquet, ".parquet") or _numbered(pickles, ".pkl.gz")


def _stamps(file: Path) -> list[int]:
    """Nanoseconds; rounding to 0.2 us is in the published floats."""
    return seconds_to_ns(_read_json(file, list[float]), where=str(file))


def _read_json(file: Path, kind: type[T]) -> T:
    """As `read_json`, but a list may hold NaN, as Python writes it."""
    try:
        return msgspec.convert(json.loads(read_bytes(file)), kind)
    except SampleError as exc:
        raise DataError(exc.message, hint="the sequence is not whole: fetch it again") from exc
    except (msgspec.ValidationError, ValueError, RecursionError) as exc:  # bad JSON and bad UTF-8 are ValueErrors
        raise DataError(f"{file} is not what PandaSet publishes: {exc}") from exc


def _number(file: Path, key: str) -> int:
    if not key.isdecimal() or int(key) > 255:
        raise DataError(f"{file}: class {key!r} is not a number from 0 to 255")
    return int(key)


def _table(file: Path, columns: tuple[str, ...]) -> Table:
    """Columns of a table in either format. Raises SampleError naming the file and the column."""
    if file.name.endswith(".parquet"):
        table = read_parquet(file, columns)
        return {name: table[name].to_numpy() for name in columns}
    found = read_table(file)
    missing = [name for name in columns if name not in found]
    if missing:
        raise SampleError(f"{file} has no column {', '.join(missing)}; it has {', '.join(found)}")
    return found
