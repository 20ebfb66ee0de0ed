"""One stream of a log becomes a parquet file that any tool reads: `t_ns` and the values, row by row.

    scalars        a row a message, a column a field
    pose           a row a message: x y z (m) qw qx qy qz
    boxes          a row a box: label track x y z length width height (m) yaw (rad) velocity_x velocity_y (m/s)
    lidar          a row a point: x y z (m)
    point_labels   a row a point: class
    lanes          a row a lane: name left right (lists of x y, m) successors left_lane right_lane speed_limit_m_per_s
    message        a row a message: schema encoding data

Messages are read and written a few at a time, so memory does not grow with the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from drivetrain.core.errors import DataError, StoreError, UsageError
from drivetrain.data.arrays import Bytes, Floats
from drivetrain.data.log import Box, Kind, Lane, Log, Message, Pose, Stream
from drivetrain.store import publish_file

_MESSAGES_OF_GROUP = 1 << 16
_BYTES_OF_GROUP = 8 << 20
_BOX_NUMBERS = ("x", "y", "z", "length", "width", "height", "yaw", "velocity_x", "velocity_y")

Progress = Callable[[int, str], None]
Columns = dict[str, Any]


def export_stream(log: Log, name: str, out: Path | str, *, on_progress: Progress | None = None) -> int:
    """Write one stream of a log as parquet; the file appears when it is whole.

    Args:
      log: the log.
      name: of the stream.
      out: the file to make.
      on_progress: called with how many messages are done, and a few words.
    Returns: number of rows.
    Raises:
      UsageError: there is no such stream, or it is of images.
      StoreError: `out` exists, or the disk would not take it.
      SampleError: a message cannot be read; no file is made then.
    """
    stream, out = _stream(log, name), Path(out)
    if out.exists():
        raise StoreError(f"{out} exists already", hint="choose another name, or remove it first")
    num_done = num_rows = 0
    with publish_file(out) as file, pq.ParquetWriter(file, _table(stream, 0, []).schema, compression="zstd") as writer:
        for messages in _groups(stream):
            table = _table(stream, num_done, messages)
            writer.write_table(table)
            num_done, num_rows = num_done + len(messages), num_rows + table.num_rows
            if on_progress is not None:
                on_progress(num_done, f"{num_rows:,} rows")
    return num_rows


def _stream(log: Log, name: str) -> Stream[Any]:
    stream = log.streams.get(name)
    if stream is None:
        raise UsageError(f"log {log.name} has no stream {name!r}", hint=f"it has {', '.join(sorted(log.streams))}")
    if stream.kind not in _COLUMNS:
        raise UsageError(
            f"stream {name} is of images, which are no rows of a table",
            hint="`drivetrain data convert LOG out.mcap` writes images as they are",
        )
    return stream


def _groups(stream: Stream[Any]) -> Iterator[Sequence[Any]]:
    """Messages in order, some at a time: as many as are held at once."""
    if stream.values is not None:
        values_NF = stream.values()
        for start in range(0, len(stream), _MESSAGES_OF_GROUP):
            yield cast(Sequence[Floats], values_NF[start : start + _MESSAGES_OF_GROUP])
        return
    held: list[Any] = []
    num_bytes = 0
    for number in range(len(stream)):
        held.append(stream.read(number))
        num_bytes += _num_bytes(held[-1])
        if num_bytes >= _BYTES_OF_GROUP or len(held) >= _MESSAGES_OF_GROUP:
            yield held
            held, num_bytes = [], 0
    if held:
        yield held


def _num_bytes(message: object) -> int:
    """What a message takes, roughly."""
    if isinstance(message, np.ndarray):
        return int(message.nbytes)
    if isinstance(message, Message):
        return len(message.data) + len(message.definition)
    return 400 * len(message) if isinstance(message, tuple) else 100


def _table(stream: Stream[Any], first: int, messages: Sequence[Any]) -> pa.Table:
    """Rows of the messages from number `first` on, each with the stamp of its message."""
    columns, counts = _COLUMNS[stream.kind](stream, messages)
    if "t_ns" in columns:
        raise DataError(f"stream {stream.name} has a field t_ns of its own, and the stamps are called so")
    t_ns = np.repeat(stream.t_ns[first : first + len(messages)], np.array(counts, np.int64))
    return pa.table({"t_ns": pa.array(t_ns, pa.int64()), **columns})


def _scalars(stream: Stream[Any], messages: Sequence[Any]) -> tuple[Columns, Sequence[int]]:
    values_NF = np.array(messages, np.float64).reshape(len(messages), len(stream.fields))
    return {field: values_NF[:, number] for number, field in enumerate(stream.fields)}, [1] * len(messages)


def _poses(_: Stream[Any], messages: Sequence[Pose]) -> tuple[Columns, Sequence[int]]:
    values_N7 = np.array([(*pose.position, *pose.heading) for pose in messages], np.float64).reshape(-1, 7)
    names = ("x", "y", "z", "qw", "qx", "qy", "qz")
    return {name: values_N7[:, number] for number, name in enumerate(names)}, [1] * len(messages)


def _boxes(_: Stream[Any], messages: Sequence[Sequence[Box]]) -> tuple[Columns, Sequence[int]]:
    boxes = [box for message in messages for box in message]
    columns: Columns = {
        "label": pa.array([box.label for box in boxes], pa.string()),
        "track": pa.array([box.track for box in boxes], pa.string()),
    }
    numbers = [(*box.centre, *box.size, box.yaw, *(box.velocity or (None, None))) for box in boxes]
    for at, name in enumerate(_BOX_NUMBERS):
        columns[name] = pa.array([row[at] for row in numbers], pa.float64())
    return columns, [len(message) for message in messages]


def _points(_: Stream[Any], messages: Sequence[Floats]) -> tuple[Columns, Sequence[int]]:
    all_N3 = np.concatenate([np.empty((0, 3)), *messages])
    return {axis: all_N3[:, number] for number, axis in enumerate("xyz")}, [len(found) for found in messages]


def _point_labels(_: Stream[Any], messages: Sequence[Bytes]) -> tuple[Columns, Sequence[int]]:
    return {"class": np.concatenate([np.empty(0, np.uint8), *messages])}, [len(found) for found in messages]


def _lanes(_: Stream[Any], messages: Sequence[Sequence[Lane]]) -> tuple[Columns, Sequence[int]]:
    lanes = [lane for message in messages for lane in message]
    line, names = pa.list_(pa.list_(pa.float64(), 2)), pa.list_(pa.string())
    columns = {
        "name": pa.array([lane.name for lane in lanes], pa.string()),
        "left": pa.array([lane.left_N2.tolist() for lane in lanes], line),
        "right": pa.array([lane.right_N2.tolist() for lane in lanes], line),
        "successors": pa.array([list(lane.successors) for lane in lanes], names),
        "left_lane": pa.array([lane.left for lane in lanes], pa.string()),
        "right_lane": pa.array([lane.right for lane in lanes], pa.string()),
        "speed_limit_m_per_s": pa.array([lane.speed_limit_m_per_s for lane in lanes], pa.float64()),
    }
    return columns, [len(message) for message in messages]


def _messages(_: Stream[Any], messages: Sequence[Message]) -> tuple[Columns, Sequence[int]]:
    columns = {
        "schema": pa.array([message.schema for message in messages], pa.string()),
        "encoding": pa.array([message.encoding for message in messages], pa.string()),
        "data": pa.array([message.data for message in messages], pa.large_binary()),
    }
    return columns, [1] * len(messages)


_COLUMNS: dict[Kind, Callable[[Stream[Any], Sequence[Any]], tuple[Columns, Sequence[int]]]] = {
    "scalars": _scalars,
    "pose": _poses,
    "boxes": _boxes,
    "lidar": _points,
    "point_labels": _point_labels,
    "lanes": _lanes,
    "message": _messages,
}
"""Kind of a stream -> the columns of its messages, and how many rows each has; images have none."""
