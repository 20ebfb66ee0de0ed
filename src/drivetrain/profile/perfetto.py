"""Traces with tracks of our own beside them, as one file that Perfetto and chrome://tracing open.

Format: "Trace Event Format" of Chrome: complete events, flows from launches to device work, counters of memory.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Any

import msgspec
import numpy as np
import numpy.typing as npt

from drivetrain.profile.analyse.links import Rows, device_rows, launch_rows
from drivetrain.profile.trace import DEVICE_KINDS, NONE, Kind, Trace

_CHUNK = 20_000  # events encoded at once
_OWN_THREAD = 1_000_000  # from here on threads are tracks of ours
_CATEGORIES = {
    Kind.OTHER: "",
    Kind.CPU_OP: "cpu_op",
    Kind.RUNTIME: "cuda_runtime",
    Kind.KERNEL: "kernel",
    Kind.MEMCPY: "gpu_memcpy",
    Kind.MEMSET: "gpu_memset",
    Kind.ANNOTATION: "user_annotation",
    Kind.DEVICE_ANNOTATION: "gpu_user_annotation",
    Kind.PYTHON: "python_function",
    Kind.SPAN: "Trace",
}
"""As Kineto writes them, so that what is written can be read again."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A span on a track of ours: times from the trace's `origin.base_ns`."""

    name: str
    begin_ns: int
    end_ns: int
    args: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Track:
    """Spans that do not overlap, under a name."""

    name: str
    marks: Sequence[Mark]


class PerfettoWriter:
    """Writes one file, trace after trace; memory holds one trace's columns and a few thousand events.

    Use it as a context manager: the file is whole when the block is left.
    """

    def __init__(self, file: IO[bytes], advance: Callable[[int], None]) -> None:
        """Into this file; `advance` is called with how many of the traces' events are written."""
        self._file = gzip.GzipFile(fileobj=file, mode="wb", compresslevel=3, mtime=0)
        self._advance = advance
        self._num_traces = self._num_events = 0

    def __enter__(self) -> PerfettoWriter:
        self._file.write(b'{"displayTimeUnit":"ms","traceEvents":[\n')
        self._file.write(msgspec.json.encode(_name("process_name", "Drivetrain", 0)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._file.write(b"\n]}\n")
        self._file.close()

    def add(self, trace: Trace, label: str, tracks: Sequence[Track], zero_ns: int) -> None:
        """Append a trace and our tracks.

        Args:
          label: before the names of its processes, such as `rank 3`.
          zero_ns: where the file's clock begins, as `origin.base_ns` counts.
        """
        at_us = (trace.origin.base_ns - zero_ns) / 1000
        pid = 10 * self._num_traces + 1
        self._num_traces += 1
        num_written = 0
        for events in _chunks(_all_events(trace, label, tracks, pid, at_us)):
            self._file.write(b",\n" + msgspec.json.encode(events)[1:-1])
            num_written += len(events)
            self._advance(self._num_events + min(num_written, len(trace)))  # flows and counters come last
        self._num_events += len(trace)


Event = dict[str, object]


def _chunks(events: Iterator[Event]) -> Iterator[list[Event]]:
    chunk: list[Event] = []
    for event in events:
        chunk.append(event)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _all_events(trace: Trace, label: str, tracks: Sequence[Track], pid: int, at_us: float) -> Iterator[Event]:
    """Ours come first: `pid` is our process, the next one the host, the one after that the device."""
    yield from _track_events(tracks, f"{label}: Drivetrain", pid, at_us)
    yield _name("process_name", f"{label}: host", pid + 1)
    yield _name("process_name", f"{label}: device", pid + 2)
    for number, (process, thread) in enumerate(trace.threads):
        is_stream = thread.startswith("stream ")
        yield _name("thread_name", f"{process} {thread}", pid + (2 if is_stream else 1), number)
    yield from _span_events(trace, pid, at_us)
    yield from _flow_events(trace, device_rows(trace), pid, at_us)
    yield from _memory_events(trace, pid, at_us)


def _name(what: str, name: str, pid: int, tid: int = 0) -> Event:
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}}


def _track_events(tracks: Sequence[Track], process: str, pid: int, at_us: float) -> Iterator[Event]:
    yield _name("process_name", process, pid)
    yield {"ph": "M", "name": "process_sort_index", "pid": pid, "tid": 0, "args": {"sort_index": -1}}
    for number, track in enumerate(tracks):
        tid = _OWN_THREAD + number
        yield _name("thread_name", track.name, pid, tid)
        for mark in track.marks:
            times = {"ts": at_us + mark.begin_ns / 1000, "dur": (mark.end_ns - mark.begin_ns) / 1000}
            yield {
                "ph": "X",
                "cat": "drivetrain",
                "name": mark.name,
                "pid": pid,
                "tid": tid,
                **times,
                "args": mark.args,
            }


def _span_events(trace: Trace, pid: int, at_us: float) -> Iterator[Event]:
    on_device = np.isin(trace.kind, [int(kind) for kind in (*DEVICE_KINDS, Kind.DEVICE_ANNOTATION)])
    columns: list[npt.NDArray[Any]] = [trace.ts_ns, trace.dur_ns, trace.name, trace.kind, trace.thread, on_device]
    numbers: dict[str, npt.NDArray[Any]] = {
        "correlation": trace.correlation,
        "External id": trace.external,
        "device": trace.device,
        "stream": trace.stream,
        "bytes": trace.size_bytes,
        "Sequence number": trace.sequence,
    }
    for start in range(0, len(trace), _CHUNK):
        block = slice(start, start + _CHUNK)
        args = _args({name: column[block] for name, column in numbers.items()}, len(trace.ts_ns[block]))
        values = zip(*(column[block].tolist() for column in columns), args, strict=True)
        for ts_ns, dur_ns, name, kind, thread, is_device, known in values:
            yield {
                "ph": "X",
                "cat": _CATEGORIES[Kind(kind)],
                "name": trace.names[name],
                "pid": pid + (2 if is_device else 1),
                "tid": thread,
                "ts": at_us + ts_ns / 1000,
                "dur": dur_ns / 1000,
                "args": known,
            }


def _args(columns: dict[str, npt.NDArray[Any]], num: int) -> list[dict[str, int]]:
    """What is known of each event."""
    args: list[dict[str, int]] = [{} for _ in range(num)]
    for name, column in columns.items():
        for place in np.flatnonzero(column != NONE).tolist():
            args[place][name] = int(column[place])
    return args


def _flow_events(trace: Trace, rows: Rows, pid: int, at_us: float) -> Iterator[Event]:
    """From each launch to its work, as Kineto draws them."""
    launches = launch_rows(trace, rows)
    known = launches != NONE
    for launch, row in zip(launches[known].tolist(), rows[known].tolist(), strict=True):
        flow = {"cat": "ac2g", "name": "ac2g", "id": pid * 2**32 + row}
        begin, end = at_us + int(trace.ts_ns[launch]) / 1000, at_us + int(trace.ts_ns[row]) / 1000
        yield {"ph": "s", **flow, "pid": pid + 1, "tid": int(trace.thread[launch]), "ts": begin}
        yield {"ph": "f", "bp": "e", **flow, "pid": pid + 2, "tid": int(trace.thread[row]), "ts": end}


def _memory_events(trace: Trace, pid: int, at_us: float) -> Iterator[Event]:
    changes = trace.memory
    told = changes.total_bytes != NONE
    columns = (changes.ts_ns[told], changes.device[told], changes.total_bytes[told])
    for ts_ns, device, total_bytes in zip(*(column.tolist() for column in columns), strict=True):
        name = "host memory" if device == NONE else f"device {device} memory"
        yield {"ph": "C", "name": name, "pid": pid, "ts": at_us + ts_ns / 1000, "args": {"bytes": total_bytes}}
