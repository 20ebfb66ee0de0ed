"""A log of any format becomes one MCAP file that other tools open; see mcap_values.py for what each stream becomes.

Messages go from the reader to the file one at a time, in the order of their stamps, so memory does not grow with the
log. What `open_log` makes of the file is the log again: the same streams, stamps and values, points to float32 (float64
far from the origin), and in boxes and lanes, which are JSON, infinity as NaN. Images are the JPEG bytes that were
recorded, or else encoded once more.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from drivetrain.core.errors import DataError, SampleError
from drivetrain.data.log import Log
from drivetrain.data.mcap_values import Channel, channels_of
from drivetrain.store import publish_file

if TYPE_CHECKING:
    from mcap.writer import Writer

_CHUNK_BYTES = 4 << 20
_A_FEW = 100  # messages between two calls of `on_progress`


@dataclass(frozen=True)
class Converted:
    """What was written.

    Attributes:
      num_messages: in the file, calibration included.
      num_streams: of the log.
      encoded: cameras whose images were encoded as JPEG at quality 95, since the log has them in another form.
      left_out: stream -> how many messages could not be read, and why the first could not.
    """

    path: Path
    num_messages: int
    num_streams: int
    num_bytes: int
    encoded: tuple[str, ...]
    left_out: Mapping[str, tuple[int, str]]


def convert(log: Log, out: Path | str, *, on_progress: Callable[[int, str], None] | None = None) -> Converted:
    """Write a log as MCAP; the file appears when it is whole.

    Args:
      out: the file; one of that name is replaced.
      on_progress: called now and then with how many messages are done (of `num_to_convert`), and a few words.
    Raises:
      DataError: a stamp before 1970, which MCAP cannot hold, or no message of the log can be read.
      StoreError: the disk would not take it; nothing of it is left.
    """
    out = Path(out)
    channels = channels_of(log)
    for channel in channels:
        if len(channel.stream) and channel.stream.t_ns.min() < 0:
            first = int(channel.stream.t_ns.min())
            raise DataError(
                f"stream {channel.stream.name} of {log.name} has a stamp of {first:,} ns; MCAP begins in 1970"
            )
    left_out: dict[str, tuple[int, str]] = {}
    with publish_file(out) as file:
        num_written = _write(file, channels, left_out, on_progress)
        if left_out and not num_written:
            name, (_, why) = next(iter(left_out.items()))
            raise DataError(f"no message of log {log.name} can be read; the first of {name}: {why}")
        num_bytes = file.tell()
    encoded = tuple(camera.name for camera in log.cameras if len(camera) and camera.jpeg is None)
    return Converted(out, num_written, len(log.streams), num_bytes, encoded, left_out)


def num_to_convert(log: Log) -> int:
    """Messages that `convert` goes over."""
    return sum(len(channel.stream) for channel in channels_of(log))


def _write(
    file: BinaryIO,
    channels: Sequence[Channel],
    left_out: dict[str, tuple[int, str]],
    on_progress: Callable[[int, str], None] | None,
) -> int:
    """How many messages were written; those that cannot be read are counted in `left_out`."""
    from mcap.writer import CompressionType, Writer

    writer = Writer(file, chunk_size=_CHUNK_BYTES, compression=CompressionType.ZSTD)
    writer.start(library="drivetrain")
    numbers = _register(writer, channels)
    num_written = 0
    for num_done, (t_ns, at, i) in enumerate(_in_order(channels), start=1):
        channel = channels[at]
        try:
            data = channel.message(i)
        except SampleError as exc:
            count, why = left_out.get(channel.topic, (0, exc.message))
            left_out[channel.topic] = (count + 1, why)
        else:
            writer.add_message(numbers[at], t_ns, data, t_ns, i & 0xFFFFFFFF)
            num_written += 1
        if on_progress is not None and num_done % _A_FEW == 0:
            on_progress(num_done, f"{file.tell() >> 20} MiB")
    writer.finish()  # type: ignore[no-untyped-call]  # the library leaves it without types
    return num_written


def _register(writer: Writer, channels: Sequence[Channel]) -> list[int]:
    """Numbers of the channels in the file; a schema that several share is written once."""
    schemas: dict[object, int] = {}
    numbers = []
    for channel in channels:
        schema = channel.schema
        if schema.name and schema not in schemas:
            schemas[schema] = writer.register_schema(schema.name, schema.encoding, schema.definition)
        number = schemas.get(schema, 0)
        numbers.append(writer.register_channel(channel.topic, channel.encoding, number, dict(channel.metadata)))
    return numbers


def _in_order(channels: Sequence[Channel]) -> Iterator[tuple[int, int, int]]:
    """(stamp, channel, message) by time; within a stream the order of the log stays, even where its clock jumps."""

    def one(at: int) -> Iterator[tuple[int, int, int]]:
        for i, t_ns in enumerate(channels[at].stream.t_ns):
            yield int(t_ns), at, i

    return heapq.merge(*(one(at) for at in range(len(channels))))
