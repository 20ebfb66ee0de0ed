"""A log's streams joined to one of them: a description, and the Arrow table it gives, one row per reference message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

import msgspec
import numpy as np
import pyarrow as pa

from drivetrain.core.errors import DataError, UsageError
from drivetrain.core.units import NS_PER_S
from drivetrain.data.arrays import Ints
from drivetrain.data.log import Log, Pose, Stream
from drivetrain.data.sync.interpolate import Interpolated, interpolate, interpolate_poses, pose_rows
from drivetrain.data.sync.join import as_of, nearest
from drivetrain.data.sync.windows import windows
from drivetrain.store import publish_bytes

Method = Literal["nearest", "as_of", "interpolate", "window"]
_POSE_FIELDS = ("x_m", "y_m", "z_m", "qw", "qx", "qy", "qz")
_OWN_PERIODS = {"nearest": 0.6, "as_of": 1.5, "interpolate": 1.5, "window": 5.0}  # a default tolerance, in periods
_LEAST_TOLERANCE_NS = 1_000_000
_ABOUT = b"drivetrain.sync"


@dataclass(frozen=True, slots=True)
class Match:
    """How one stream is joined to the reference.

    Attributes:
      method: `nearest` in time; `as_of`, the last one before, which never looks ahead; `interpolate` between two (poses
        and scalars); `window`, all around.
      tolerance_ns: the largest distance that counts; of `interpolate`, between the two messages that are bridged; of
        `window`, how far back it reaches.
      future_ns: of `window`, how far on it reaches.
    """

    method: Method = "nearest"
    tolerance_ns: int = 50_000_000
    future_ns: int = 0

    def __post_init__(self) -> None:
        if self.tolerance_ns < 0 or self.future_ns < 0:
            raise ValueError(f"tolerance_ns {self.tolerance_ns} and future_ns {self.future_ns} must be 0 or more")
        if self.future_ns and self.method != "window":
            raise ValueError(f"future_ns is {self.future_ns}, but only a window looks ahead, not {self.method}")


@dataclass(frozen=True, slots=True)
class SyncSpec:
    """Everything that decides a sync table, besides the log.

    Attributes:
      reference: the stream whose messages are the rows.
      streams: the others, by name.
    """

    reference: str
    streams: Mapping[str, Match]

    @classmethod
    def of(cls, log: Log, reference: str, *, tolerance_ns: int | None = None) -> SyncSpec:
        """All streams of a log to one: poses and scalars interpolated, the rest nearest.

        Args:
          log: what to join; maps, which have no rate, are left out.
          reference: the stream whose messages are the rows.
          tolerance_ns: for all; by default a little over half of each stream's own period, where two are bridged one
            and a half.
        Raises: UsageError: no such stream.
        """
        streams = {}
        for name, stream in sorted(log.streams.items()):
            if name != reference and stream.kind != "lanes":
                told = stream.kind == "pose" or (stream.kind == "scalars" and stream.values is not None)
                method: Method = "interpolate" if told else "nearest"
                streams[name] = Match(
                    method, _own_tolerance_ns(stream, method) if tolerance_ns is None else tolerance_ns
                )
        _stream_of(log, reference)
        return cls(reference, streams)


def sync_table(log: Log, spec: SyncSpec) -> pa.Table:
    """Join streams of a log as described.

    Returns:
      `t_ns` of the reference, then per stream `NAME.index` and `NAME.offset_ns` (stream minus reference), or
      `NAME.FIELD` of each interpolated number, or `NAME.index` as a list for a window; null where nothing was found.
      The description and the counts are in the table's metadata (`missed`).
    Raises:
      UsageError: no such stream, or one that cannot be interpolated.
      SampleError: a pose cannot be read.
    """
    rows_ns = _stream_of(log, spec.reference).t_ns
    columns: dict[str, pa.Array[Any]] = {"t_ns": pa.array(rows_ns, pa.int64())}
    num_missed = {}
    for name, match in spec.streams.items():
        found, num_missed[name] = _columns(_stream_of(log, name), match, rows_ns)
        columns |= {f"{name}.{field}": column for field, column in found.items()}
    about = {"log": log.name, "spec": asdict(spec), "num_missed": num_missed}
    return pa.table(columns).replace_schema_metadata({_ABOUT: msgspec.json.encode(about, order="sorted")})


def missed(table: pa.Table) -> dict[str, int]:
    """How many rows of a sync table found nothing, by stream."""
    return {name: int(count) for name, count in cast(dict[str, int], _about(table)["num_missed"]).items()}


def spec_of(table: pa.Table) -> SyncSpec:
    """The description that a sync table was made by."""
    return msgspec.convert(_about(table)["spec"], SyncSpec)


def write_sync_table(table: pa.Table, path: Path) -> None:
    """Store a sync table as an Arrow IPC file, whole or not at all. Raises StoreError: it cannot be written."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    publish_bytes(path, sink.getvalue().to_pybytes())


def read_sync_table(path: Path) -> pa.Table:
    """A sync table that was stored. Raises DataError: it is none, or cannot be read."""
    try:
        with pa.OSFile(str(path), "rb") as source:
            table = pa.ipc.open_file(source).read_all()
    except (OSError, pa.ArrowException) as exc:
        raise DataError(f"{path} is not an Arrow file that can be read: {exc}") from exc
    try:
        spec_of(table)
    except (KeyError, ValueError, TypeError) as exc:
        raise DataError(f"{path} is an Arrow file, but no sync table", hint="make one: drivetrain data sync") from exc
    return table


def _about(table: pa.Table) -> dict[str, object]:
    about: dict[str, object] = msgspec.json.decode((table.schema.metadata or {})[_ABOUT])
    return about


def _stream_of(log: Log, name: str) -> Stream[object]:
    if name not in log.streams:
        raise UsageError(f"log {log.name} has no stream {name}", hint=f"it has {', '.join(sorted(log.streams))}")
    return log.streams[name]


def _own_tolerance_ns(stream: Stream[object], method: Method) -> int:
    period_ns = NS_PER_S / stream.rate_hz if stream.rate_hz else 0
    return max(_LEAST_TOLERANCE_NS, round(_OWN_PERIODS[method] * period_ns))


def _columns(stream: Stream[object], match: Match, rows_ns: Ints) -> tuple[dict[str, pa.Array[Any]], int]:
    """A stream's columns, and how many rows found nothing."""
    if match.method == "window":
        around = windows(rows_ns, stream.t_ns, past_ns=match.tolerance_ns, future_ns=match.future_ns)
        lists = [around.of(row) for row in range(len(around))]
        return {"index": pa.array(lists, pa.list_(pa.int64()))}, around.num_empty
    if match.method == "interpolate":
        fields, found = _interpolated(stream, match, rows_ns)
        values = found.values_NF
        return {
            field: pa.array(values[:, i], pa.float64(), mask=np.isnan(values[:, i])) for i, field in enumerate(fields)
        }, found.num_missed
    join = nearest if match.method == "nearest" else as_of
    joined = join(rows_ns, stream.t_ns, tolerance_ns=match.tolerance_ns)
    nothing = joined.index_N < 0
    return {
        "index": pa.array(joined.index_N, pa.int64(), mask=nothing),
        "offset_ns": pa.array(joined.offset_N_ns, pa.int64(), mask=nothing),
    }, joined.num_missed


def _interpolated(stream: Stream[object], match: Match, rows_ns: Ints) -> tuple[tuple[str, ...], Interpolated]:
    if stream.kind == "pose":
        poses_N7 = pose_rows(cast(Stream[Pose], stream))
        return _POSE_FIELDS, interpolate_poses(rows_ns, stream.t_ns, poses_N7, tolerance_ns=match.tolerance_ns)
    if stream.kind == "scalars" and stream.values is not None:
        values_NF = stream.values()
        return stream.fields, interpolate(rows_ns, stream.t_ns, values_NF, tolerance_ns=match.tolerance_ns)
    raise UsageError(
        f"stream {stream.name} of kind {stream.kind} cannot be interpolated",
        hint="poses and scalars can; join it by nearest or as_of",
    )
