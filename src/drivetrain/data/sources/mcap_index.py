"""Where the messages of an MCAP file lie, in the file's order.

The summary at the end says so, and is believed when it adds up: its checksum is right, and the indexes of the chunks
hold as many messages as the statistics count. Else (no summary, no indexes, messages outside chunks, a recording cut
short) the file is walked over from the front, one chunk in memory at a time; what is damaged is left out and noted.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from mcap.opcode import Opcode
from mcap.records import Channel, Schema, Statistics
from numpy.typing import NDArray

from drivetrain.core.errors import DataError, SampleError
from drivetrain.data.arrays import Ints
from drivetrain.data.sources.mcap_chunk import chunk_at
from drivetrain.data.sources.mcap_records import (
    MAGIC,
    MESSAGE,
    CutShortError,
    Record,
    read_at,
    size_of,
    walk,
    walk_chunk,
)
from drivetrain.data.sources.mcap_summary import Summary, Tables, crc_of, read_summary

OUTSIDE = -1
"""The chunk of a message that is in none."""

_INDEX = np.dtype([("t", "<u8"), ("offset", "<u8")])
_MOST_NOTES = 8
_MOST_RECORDS, _RECORDS_PER_BYTE = 1_000_000, 2  # of a file: so many, and more by its size
_LAST_NS = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Contents:
    """What is in one file; M messages in the file's order.

    Attributes:
      schemas, channels: by their numbers.
      chunk_M: offset of the chunk that a message is in, or `OUTSIDE`; int64.
      offset_M: of the message's record in the decompressed chunk, or in the file; int64.
      channel_M: number of its channel, uint16.
      t_M_ns: log times, int64.
      num_listed: channel's number -> messages that the statistics promise.
      notes: what was left out and why.
    """

    schemas: dict[int, Schema]
    channels: dict[int, Channel]
    chunk_M: Ints
    offset_M: Ints
    channel_M: NDArray[np.uint16]
    t_M_ns: Ints
    num_listed: dict[int, int]
    notes: tuple[str, ...]


def read_contents(path: Path) -> Contents:
    """Look at a file's summary, or walk over it.

    Raises: DataError: it is no MCAP file, or so damaged that no message can be told.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise DataError(f"{path} is no MCAP file: it does not begin with MCAP's magic bytes")
            summary = read_summary(file)
            contents = _by_summary(file, summary) or _by_walking(file, summary)
    except OSError as exc:
        raise DataError(f"cannot read {path}: {exc.strerror}") from exc
    if contents.notes and not len(contents.t_M_ns):
        raise DataError(f"no message of {path} can be read: {contents.notes[0]}", hint="fetch the file again")
    return contents


def _by_summary(file: BinaryIO, summary: Summary) -> Contents | None:
    """Contents as the summary has them; None where it does not account for all messages."""
    statistics = summary.statistics
    if summary.note or statistics is None or statistics.chunk_count != len(summary.chunks):
        return None
    at, found = len(MAGIC), _Found()
    try:
        for start, length, behind in summary.chunks:
            if start < at or start + length + behind > summary.data_end:
                return None  # chunks that overlap would be counted twice
            at = start + length + behind
            found.add_indexes(file, start, start + length, at)
    except DataError:
        return None
    channels, schemas = summary.tables.channels, summary.tables.schemas
    counts = found.counts()
    defined = all(channels[c].schema_id in (0, *schemas) for c in counts if c in channels)
    if dict(counts) != _positive(statistics.channel_message_counts) or not set(counts) <= set(channels) or not defined:
        return None
    if sum(counts.values()) != statistics.message_count:
        return None
    return found.contents(summary.tables, statistics, ())


def _positive(counts: dict[int, int]) -> dict[int, int]:
    return {channel: count for channel, count in counts.items() if count}


class _Found:
    """Where messages were found, in the file's order."""

    def __init__(self) -> None:
        self._channels, self._chunks, self._offsets, self._times = array("H"), array("q"), array("q"), array("Q")

    def add(self, channel: int, chunk: int, offset: int, log_time: int) -> None:
        self._channels.append(channel)
        self._chunks.append(chunk)
        self._offsets.append(offset)
        self._times.append(log_time)

    def add_indexes(self, file: BinaryIO, chunk: int, start: int, end: int) -> None:
        """Messages of a chunk by the indexes behind it. Raises DataError: they are damaged."""
        parts, channels = [], []
        for record in walk(file, start, end):
            if record.opcode != Opcode.MESSAGE_INDEX:
                continue
            body = read_at(file, record.body, record.length)
            size = int.from_bytes(body[2:6], "little") if len(body) >= 6 else -1
            if not 0 <= size <= len(body) - 6 or size % _INDEX.itemsize:
                raise DataError(f"the message index at byte {record.start:,} is cut short")
            parts.append(np.frombuffer(body, _INDEX, size // _INDEX.itemsize, 6))
            channels.append(np.full(len(parts[-1]), int.from_bytes(body[:2], "little"), np.uint16))
        if not parts:
            return
        entries, channel_M = np.concatenate(parts), np.concatenate(channels)
        if entries["offset"].max(initial=0) > _LAST_NS:
            raise DataError(f"the message indexes behind byte {start:,} are damaged")
        order = np.argsort(entries["offset"], kind="stable")
        self._channels.frombytes(channel_M[order].tobytes())
        self._chunks.frombytes(np.full(len(entries), chunk, np.int64).tobytes())
        self._offsets.frombytes(entries["offset"][order].astype(np.int64).tobytes())
        self._times.frombytes(entries["t"][order].tobytes())

    def counts(self) -> Counter[int]:
        """Messages by channel."""
        numbers, counts = np.unique(np.frombuffer(self._channels, np.uint16), return_counts=True)
        return Counter(dict(zip(numbers.tolist(), counts.tolist(), strict=True)))

    def contents(self, tables: Tables, statistics: Statistics | None, notes: tuple[str, ...]) -> Contents:
        times = np.frombuffer(self._times, np.uint64)
        if len(times) and times.max() > _LAST_NS:
            first = int(np.argmax(times > _LAST_NS))
            raise DataError(
                f"message {first} is stamped {int(times[first]):,} ns, past the year 2262",
                hint="the recorder's clock was wrong, or the file is damaged",
            )
        return Contents(
            schemas=tables.schemas,
            channels=tables.channels,
            chunk_M=np.frombuffer(self._chunks, np.int64),
            offset_M=np.frombuffer(self._offsets, np.int64),
            channel_M=np.frombuffer(self._channels, np.uint16),
            t_M_ns=times.astype(np.int64),
            num_listed=dict(statistics.channel_message_counts) if statistics else {},
            notes=notes,
        )


def _by_walking(file: BinaryIO, summary: Summary) -> Contents:
    walked = _Walk(file, summary.tables)
    if summary.note:
        walked.note(summary.note)
    walked.run(summary.data_end)
    return walked.found.contents(walked.tables, summary.statistics, walked.notes)


class _Walk:
    """Goes over a file's records from the front and keeps where messages are."""

    def __init__(self, file: BinaryIO, tables: Tables) -> None:
        self.file, self.tables, self.found = file, tables, _Found()
        self._notes: list[str] = []
        self._num_left = _MOST_RECORDS + _RECORDS_PER_BYTE * size_of(file)

    def note(self, text: str) -> None:
        self._notes.append(text)

    @property
    def notes(self) -> tuple[str, ...]:
        """At most a few, and how many more there are."""
        more = len(self._notes) - _MOST_NOTES
        return (*self._notes[:_MOST_NOTES], f"and {more:,} more of the kind") if more > 0 else tuple(self._notes)

    def run(self, end: int) -> None:
        try:
            for record in walk(self.file, len(MAGIC), end):
                if record.opcode in (Opcode.DATA_END, Opcode.FOOTER):
                    break
                self._look(record)
            else:
                return
        except DataError as exc:
            if isinstance(exc, CutShortError) and exc.record.opcode == Opcode.CHUNK:
                self._look_into(exc.record)
            self.note(f"{exc.message}: what follows is left out")
        else:
            self._check_data(record)

    def _count(self) -> None:
        """A few bytes can be decompressed to millions of records; no recorder does that."""
        self._num_left -= 1
        if self._num_left < 0:
            raise DataError("it holds more records than its bytes account for")

    def _look(self, record: Record) -> None:
        self._count()
        if record.opcode == Opcode.CHUNK:
            self._look_into(record)
        elif record.opcode == Opcode.MESSAGE:
            body = read_at(self.file, record.body, min(record.length, MESSAGE.size))
            self._message(record, body, OUTSIDE)
        elif record.opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
            self.tables.add(record.opcode, read_at(self.file, record.body, record.length))

    def _look_into(self, chunk: Record) -> None:
        try:
            data = chunk_at(self.file, chunk.start)
            for record in walk_chunk(data):
                self._count()
                body = data[record.body : record.body + min(record.length, MESSAGE.size)]
                if record.opcode == Opcode.MESSAGE:
                    self._message(record, body, chunk.start)
                else:
                    self.tables.add(record.opcode, data[record.body : record.end])
        except SampleError as exc:
            self.note(f"the chunk at byte {chunk.start:,} {exc.message}; its messages are left out")
        except DataError as exc:
            self.note(f"in the chunk at byte {chunk.start:,}: {exc.message}; its other messages are left out")

    def _message(self, record: Record, head: bytes, chunk: int) -> None:
        if len(head) < MESSAGE.size:
            raise DataError(f"the message at byte {record.start:,} is cut short")
        channel, _, log_time, _ = MESSAGE.unpack(head)
        self.found.add(channel, chunk, record.start, log_time)

    def _check_data(self, record: Record) -> None:
        """Hold all that was walked over against the checksum at its end, unless damage was met already."""
        if self._notes or record.opcode != Opcode.DATA_END or record.length < 4:
            return
        crc = int.from_bytes(read_at(self.file, record.body, 4), "little")
        if crc and crc_of(self.file, 0, record.start) != crc:
            raise DataError(
                f"{self.file.name} does not match its checksum: bytes were altered, and it cannot be told which",
                hint="fetch the file again",
            )
