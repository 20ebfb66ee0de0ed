"""A minute of comma2k19: what the car says on its CAN buses, a phone's inertial sensors and GNSS, radar, camera poses.

    global_pose/     frame_times frame_gps_times frame_positions frame_velocities frame_orientations
    processed_log/   CAN/raw_can/{t,src,address,data}; IMU/NAME/{t,value}, GNSS/NAME/{t,value}, CAN/NAME/{t,value}
    video.hevc       20 frames a second

Each is a NumPy array, a file without ending. The folder may also be one that holds a single such minute. Stamps are
seconds since the phone was started; one number is added to all of them, which makes them UTC by the GPS times of the
camera's frames and leaves what lies between them as recorded. Axes of the phone are turned to x forward, y left, z up.
Signals of the car are decoded from its raw frames by comma2k19.dbc, if it is a car that the table is for.
Source: https://github.com/commaai/comma2k19
"""

from __future__ import annotations

import math
import os
import struct
from collections import deque
from collections.abc import Callable
from functools import cache, partial
from importlib import resources
from itertools import islice
from pathlib import Path
from tokenize import TokenError
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from drivetrain.core.errors import DataError
from drivetrain.core.units import NS_PER_S
from drivetrain.data.arrays import Bytes, Floats, Ints
from drivetrain.data.log import Counted, Intrinsics, Log, Message, Pose, Stream, scalar_stream
from drivetrain.data.sources.files import content_hash, seconds_to_ns
from drivetrain.data.sources.signals import FRAME_BYTES, CanMessage, parse_table
from drivetrain.data.turning import times

Array: TypeAlias = NDArray[Any]
T = TypeVar("T")
_TABLE = "comma2k19.dbc"
_TABLE_BUS = 0
_MOST_FOLDERS, _DEPTH = 2000, 3  # looked into before we say that a folder holds no minute
_GPS_EPOCH_S, _LEAP_S, _WEEK_S = 315_964_800, 18, 604_800  # leap seconds since 2017; the drives are of 2018
_INTRINSICS = Intrinsics(910.0, 910.0, 582.0, 437.0, 1164, 874)  # of the EON's camera; comma2k19, utils/camera.py
# Turns the camera's x right, y down, z forward to the phone's x forward, y right, z down.
_FORWARD_RIGHT_DOWN = (0.5, 0.5, 0.5, 0.5)

_XYZ = ("x", "y", "z")
_ROTATION = tuple(f"{axis}_rate_rad_per_s" for axis in ("roll", "pitch", "yaw"))
_FIX = ("latitude_deg", "longitude_deg", "speed_m_per_s", "utc_ms", "altitude_m", "bearing_deg")
_SATELLITE = (
    *("satellite", "gps_week", "time_of_week_s", "glonass_channel", "pseudorange_m", "pseudorange_std_m"),
    *("pseudorange_rate_m_per_s", "pseudorange_rate_std_m_per_s", "carrier_to_noise_db_hz", "carrier_phase_cycles"),
)
_FIELDS = {
    "accelerometer": tuple(f"acceleration_{axis}_m_per_s2" for axis in _XYZ),
    "gyro": _ROTATION,
    "gyro_uncalibrated": _ROTATION,
    "gyro_bias": _ROTATION,
    "magnetometer": tuple(f"field_{axis}_ut" for axis in _XYZ),
    "magnetometer_uncalibrated": tuple(f"field_{axis}_ut" for axis in _XYZ),
    "live_gnss_qcom": _FIX,
    "live_gnss_ublox": _FIX,
    "raw_gnss_qcom": _SATELLITE,
    "raw_gnss_ublox": _SATELLITE,
    "radar": ("forward_m", "left_m", "relative_speed_m_per_s", "", "", "address", "is_new_track"),
    "car_speed": ("speed_m_per_s",),
    "steering_angle": ("steering_angle_deg",),
    "wheel_speed": tuple(f"{wheel}_m_per_s" for wheel in ("front_left", "front_right", "rear_left", "rear_right")),
}
"""Columns of the arrays that we know, those without a name left out; of others they are numbered."""

_PHONE = {name: np.array([1.0, -1.0, -1.0]) for name in _FIELDS if name.startswith(("acc", "gyro", "mag"))}
"""What turns an array's forward, right, down to forward, left, up."""


def recognise(path: Path) -> str:
    """Why this is no minute of comma2k19, or an empty string."""
    if not path.is_dir():
        return "there is no such folder"
    return "" if _minutes(path) else "neither it nor a folder in it has a processed_log and a global_pose"


def open_log(path: Path) -> Log:
    """Open a minute; times are read now, values when they are asked for.

    Raises: DataError: the folder holds several minutes, or an array is missing, damaged or not of its form.
    """
    found = _minutes(path)
    if len(found) != 1:
        some = ", ".join(str(folder.relative_to(path)) for folder in found[:3])
        raise DataError(f"{path} holds {len(found)} minutes or more: {some}", hint="open one of them")
    minute = found[0]
    shift_ns = _shift_ns(minute)
    streams = [
        *_poses(minute / "global_pose", shift_ns),
        *_frames(minute / "processed_log/CAN/raw_can", shift_ns),
        *(_values(folder, shift_ns) for folder in _folders_of_values(minute / "processed_log")),
    ]
    intrinsics: dict[str, Intrinsics] = {}
    notes: tuple[str, ...] = ()
    if all(stream.name != f"scalars/{_table()[0].name}" for stream in streams):
        notes = (f"signals of CAN are not decoded: the car does not send the messages of {_TABLE}",)
    if (minute / "video.hevc").is_file():
        camera, intrinsics["camera/road"] = _video(minute, shift_ns)
        streams.append(camera)
    return Log(
        name="--".join(minute.resolve().parts[-2:]),
        source="comma2k19",
        content_hash=lambda: content_hash(minute),
        streams={stream.name: stream for stream in streams},
        intrinsics=intrinsics,
        notes=notes,
    )


def _minutes(path: Path) -> list[Path]:
    """The minute that a folder is, or those in it, two at most; not all of a large tree is looked at."""
    found: list[Path] = []
    waiting, num_seen = deque([(path, 0)]), 0
    while waiting and len(found) < 2 and num_seen < _MOST_FOLDERS:
        folder, depth = waiting.popleft()
        num_seen += 1
        if (folder / "processed_log").is_dir() and (folder / "global_pose").is_dir():
            found.append(folder)
        elif depth < _DEPTH:
            waiting.extend((inner, depth + 1) for inner in _folders(folder, most=_MOST_FOLDERS))
    return found


def _folders(folder: Path, *, most: int) -> list[Path]:
    """The first folders in a folder, by name; none where it cannot be looked into."""
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in islice(entries, most) if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def _folders_of_values(processed: Path) -> list[Path]:
    return sorted(file.parent for file in processed.glob("*/*/value"))


def _array(file: Path, kinds: str, *shape: int | None) -> Array:
    """An array of a file, mapped, so that a size that the file claims but does not have costs nothing.

    Args:
      kinds: letters of NumPy's kinds of numbers that it may have.
      shape: its sizes, None for any; no sizes at all for any shape.
    Raises: DataError: it is not there, no array, or not of that kind or shape.
    """
    try:
        found: Array = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, OverflowError, SyntaxError, TypeError, TokenError, MemoryError) as exc:
        raise DataError(f"cannot read {file}: {exc}", hint="it should be a NumPy array: fetch the log again") from exc
    sizes = found.shape
    fits = not shape or (len(shape) == len(sizes) and all(a in (None, b) for a, b in zip(shape, sizes, strict=True)))
    if not fits or found.dtype.kind not in kinds:
        raise DataError(f"{file} has {found.dtype} of shape {sizes}; expected kind {kinds} and shape {shape or 'any'}")
    return found


def _t_ns(file: Path, shift_ns: int) -> Ints:
    stamps = seconds_to_ns(_array(file, "f", None).tolist(), where=str(file))
    return np.array(stamps, np.int64) + shift_ns


def _shift_ns(minute: Path) -> int:
    """What is added to stamps since the phone's start to make them UTC."""
    file = minute / "global_pose/frame_gps_times"
    t_N = _t_ns(minute / "global_pose/frame_times", 0) / NS_PER_S
    week_N, second_N = _array(file, "f", len(t_N), 2).T
    shift_s = float(np.median(week_N * _WEEK_S + second_N + (_GPS_EPOCH_S - _LEAP_S) - t_N)) if len(t_N) else math.nan
    if not 0 <= shift_s < 9e9:
        raise DataError(f"{file} gives no time: it lies {shift_s} s from frame_times")
    return round(shift_s * NS_PER_S)


def _poses(folder: Path, shift_ns: int) -> list[Stream[Any]]:
    """Where the camera is at each frame, and how it moves."""
    t_ns = _t_ns(folder / "frame_times", shift_ns)
    position_N3 = np.array(_array(folder / "frame_positions", "f", len(t_ns), 3))
    orientation_N4 = np.array(_array(folder / "frame_orientations", "f", len(t_ns), 4))
    velocity_N3 = np.array(_array(folder / "frame_velocities", "f", len(t_ns), 3), np.float64)

    def pose(number: int) -> Pose:
        x, y, z = position_N3[number].tolist()
        a, b, c, d = orientation_N4[number].tolist()
        return Pose((x, y, z), times((a, b, c, d), _FORWARD_RIGHT_DOWN))

    fields = tuple(f"velocity_{axis}_m_per_s" for axis in _XYZ)
    return [
        Stream("pose/road", "pose", "ecef", t_ns, pose, Counted(len(t_ns)), len(t_ns)),
        scalar_stream("scalars/velocity", fields, t_ns, lambda: velocity_N3, frame="ecef"),
    ]


def _frames(folder: Path, shift_ns: int) -> list[Stream[Any]]:
    """The frames of each CAN bus, and the signals of the table where the car has all of its messages."""
    t_ns = _t_ns(folder / "t", shift_ns)
    bus_N, address_N = (np.array(_array(folder / name, "iu", len(t_ns))) for name in ("src", "address"))
    if _array(folder / "data", "S", len(t_ns)).dtype.itemsize > FRAME_BYTES:
        raise DataError(f"{folder / 'data'} has frames of more than {FRAME_BYTES} bytes")
    data = _kept(partial(_padded, folder / "data", len(t_ns)))
    streams: list[Stream[Any]] = []
    for bus in np.unique(bus_N).tolist():
        at_N = np.flatnonzero(bus_N == bus)
        read = partial(_frame, at_N, address_N, data)
        streams.append(Stream(f"message/can{bus}", "message", "", t_ns[at_N], read, Counted(len(at_N)), len(at_N)))
    sent = {message: np.flatnonzero((bus_N == message.bus) & (address_N == message.address)) for message in _table()}
    if all(len(at_N) for at_N in sent.values()):
        for message, at_N in sent.items():
            values = _kept(partial(_decoded, message, at_N, data))
            streams.append(
                scalar_stream(f"scalars/{message.name}", message.fields, t_ns[at_N], values, frame="vehicle")
            )
    return streams


def _padded(file: Path, num_frames: int) -> Bytes:
    """Frames of 8 bytes, N8; the file's type of text drops zeros at the end."""
    text_N = np.array(_array(file, "S", num_frames), f"S{FRAME_BYTES}")
    return text_N.view(np.uint8).reshape(-1, FRAME_BYTES)


def _decoded(message: CanMessage, at_N: Ints, data: Callable[[], Bytes]) -> Floats:
    return message.decode(data()[at_N])


def _frame(at_N: Ints, address_N: Array, data: Callable[[], Bytes], number: int) -> Message:
    """A frame as Linux writes it (struct can_frame): address, number of bytes, the bytes."""
    address, content = int(address_N[at_N[number]]), data()[at_N[number]].tobytes()
    packed = struct.pack("<IB3x8s", address & 0xFFFFFFFF, FRAME_BYTES, content)
    return Message("can_frame", "linux", packed, {"address": address, "data": content.hex()})


@cache
def _table() -> tuple[CanMessage, ...]:
    text = (resources.files(__package__) / _TABLE).read_text(encoding="utf-8")
    return parse_table(text, bus=_TABLE_BUS, where=_TABLE)


def _values(folder: Path, shift_ns: int) -> Stream[Floats]:
    """A folder of stamps and values as it is published."""
    t_ns, file = _t_ns(folder / "t", shift_ns), folder / "value"
    shape = _array(file, "fiub").shape
    num_columns = shape[1] if len(shape) == 2 else 1
    fields = _FIELDS.get(folder.name, tuple(f"value_{number}" for number in range(num_columns)))
    if not 1 <= len(shape) <= 2 or shape[0] != len(t_ns) or len(fields) != num_columns:
        raise DataError(f"{file} has shape {shape}; expected {len(t_ns)} rows and {len(fields)} columns")
    named = [number for number, field in enumerate(fields) if field]

    def values() -> Floats:
        columns = np.array(_array(file, "fiub", *shape), np.float64).reshape(len(t_ns), -1)[:, named]
        return columns * _PHONE[folder.name] if folder.name in _PHONE else columns

    is_decoded = folder.parent.name == "CAN" and folder.name != "radar"  # what the publisher made of the raw frames
    name = f"scalars/published_{folder.name}" if is_decoded else f"scalars/{folder.name}"
    frame = "" if folder.parent.name == "GNSS" else "vehicle"
    return scalar_stream(name, tuple(fields[n] for n in named), t_ns, _kept(values), frame=frame)


def _video(minute: Path, shift_ns: int) -> tuple[Stream[Bytes], Intrinsics]:
    """The camera's frames, stamped by the poses' times, which are one for each."""
    from drivetrain.data.sources.video import VideoFile  # few minutes have one, and the codecs take long to import

    video = VideoFile(minute / "video.hevc")
    t_ns = _t_ns(minute / "global_pose/frame_times", shift_ns)
    num_frames = min(len(video), len(t_ns))
    stream = Stream("camera/road", "camera", "road", t_ns[:num_frames], video.read, Counted(num_frames), len(t_ns))
    return stream, _INTRINSICS.resized(video.width, video.height)


def _kept(make: Callable[[], T]) -> Callable[[], T]:
    """The same, made once."""
    return cache(make)
