"""How logs are told: each stream with its kind, rate, frame and time."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

from drivetrain.core.errors import SampleError
from drivetrain.core.units import NS_PER_S, duration_text

if TYPE_CHECKING:
    from drivetrain.data import Log, Stream
    from drivetrain.data.log import Message


def log_json(log: Log) -> dict[str, object]:
    """Plain values of what is in a log; stamps in nanoseconds since 1970."""
    return {
        "log": log.name,
        "source": log.source,
        "streams": {name: _stream_json(stream) for name, stream in sorted(log.streams.items())},
        "intrinsics": {name: asdict(camera) for name, camera in log.intrinsics.items()},
        "classes": {str(number): name for number, name in log.class_names.items()},
        "notes": list(log.notes),
    }


def log_text(log: Log) -> str:
    """What is in a log, in lines for people; times of streams count from the first stamp of all."""
    ranges = [stream.time_range_ns for stream in log.streams.values()]
    first_ns = min((found[0] for found in ranges if found), default=0)
    last_ns = max((found[1] for found in ranges if found), default=0)
    width = max(28, *map(len, log.streams)) if log.streams else 28
    head = f"  {'stream':<{width}} {'kind':<13} {'messages':>9} {'rate':>13}  {'frame':<12} {'from':>10} {'to':>10}"
    lines = [f"{log.name} ({log.source}): {_date(first_ns)}, {duration_text(last_ns - first_ns)}", head]
    for name, stream in sorted(log.streams.items()):
        start, end = _since(stream, first_ns)
        lines.append(
            f"  {name:<{width}} {stream.kind:<13} {len(stream):>9} {stream.rate_hz:>10.2f} Hz  "
            f"{stream.frame or '-':<12} {start:>10} {end:>10}  {_schema(stream)}".rstrip()
        )
    lines += [f"  {name}: {lens.width}x{lens.height} pixels" for name, lens in log.intrinsics.items()]
    lines += [f"note: {note}" for note in log.notes]
    return "\n".join(lines)


def _stream_json(stream: Stream[object]) -> dict[str, object]:
    first_ns, last_ns = stream.time_range_ns or (None, None)
    return {
        "kind": stream.kind,
        "frame": stream.frame,
        "num_messages": len(stream),
        "num_listed": stream.num_listed,
        "rate_hz": round(stream.rate_hz, 3),
        "first_ns": first_ns,
        "last_ns": last_ns,
        "fields": list(stream.fields),
        "schema": _schema(stream),
    }


def _schema(stream: Stream[object]) -> str:
    """Of a stream of messages, the type of the first one; empty for others, and where it cannot be read."""
    if stream.kind != "message" or not len(stream):
        return ""
    try:
        message = cast("Message", stream.read(0))
    except SampleError:
        return ""
    return message.schema or f"{message.encoding} without a schema"


def _date(t_ns: int) -> str:
    """UTC, to the millisecond; whole nanoseconds where the calendar does not reach."""
    try:
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=t_ns // 1_000_000)
    except OverflowError:
        return f"{t_ns} ns"
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d} UTC"


def _since(stream: Stream[object], first_ns: int) -> tuple[str, str]:
    found = stream.time_range_ns
    if found is None:
        return "-", "-"
    start_s, end_s = ((t_ns - first_ns) / NS_PER_S for t_ns in found)
    return f"{start_s:.3f} s", f"{end_s:.3f} s"
