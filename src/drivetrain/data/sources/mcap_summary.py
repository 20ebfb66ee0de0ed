"""What an MCAP file's end says of it: its schemas and channels, counts, and where its chunks are."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from typing import BinaryIO

from mcap.opcode import Opcode
from mcap.records import Channel, Schema, Statistics

from drivetrain.core.errors import DataError
from drivetrain.data.sources.mcap_records import HEAD, MAGIC, Record, parse, read_at, size_of, walk

_FOOTER = struct.Struct("<QQI")  # start of the summary, start of its offsets, CRC
_TAIL_BYTES = HEAD.size + _FOOTER.size + len(MAGIC)
_CHUNK_INDEX = struct.Struct(
    "<QQQQI"
)  # start time, end time, chunk's offset, its length, length of the map that follows
_PIECE_BYTES = 1 << 20


@dataclass
class Tables:
    """Schemas and channels as they are met."""

    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)

    def add(self, opcode: int, body: bytes) -> None:
        """Raises DataError: the record is damaged, or says otherwise than one before it."""
        if opcode == Opcode.SCHEMA:
            schema = parse(Schema, body)
            if self.schemas.setdefault(schema.id, schema) != schema:
                raise DataError(
                    f"schema {schema.id} is defined twice, as {self.schemas[schema.id].name} and {schema.name}"
                )
        elif opcode == Opcode.CHANNEL:
            channel = parse(Channel, body)
            if self.channels.setdefault(channel.id, channel) != channel:
                before = self.channels[channel.id].topic
                raise DataError(f"channel {channel.id} is defined twice, for {before} and {channel.topic}")


@dataclass
class Summary:
    """What the end of a file says.

    Attributes:
      data_end: offset at which the data section ends.
      chunks: offset and length of each chunk and length of the indexes behind it, by offset.
      note: why it is not to be believed; empty where it is.
    """

    data_end: int
    tables: Tables = field(default_factory=Tables)
    statistics: Statistics | None = None
    chunks: list[tuple[int, int, int]] = field(default_factory=list)
    note: str = ""


def read_summary(file: BinaryIO) -> Summary:
    """The summary of an open file, with a note where it has none that can be believed."""
    size = size_of(file)
    if size < len(MAGIC) + _TAIL_BYTES:
        return Summary(size, note="the recording was cut short: it has no footer")
    tail = read_at(file, size - _TAIL_BYTES, _TAIL_BYTES)
    opcode, length = HEAD.unpack_from(tail)
    if opcode != Opcode.FOOTER or length != _FOOTER.size or not tail.endswith(MAGIC):
        return Summary(size, note="the recording was cut short: it has no footer")
    start, _, crc = _FOOTER.unpack_from(tail, HEAD.size)
    end = size - _TAIL_BYTES
    summary = Summary(start or end)
    if not start:
        return summary
    if not len(MAGIC) <= start <= end:
        return Summary(end, note=f"the footer puts the summary at byte {start:,} of {size:,}")
    if crc and crc_of(file, start, size - len(MAGIC) - 4) != crc:
        return Summary(start, note="the summary does not match its checksum")
    try:
        for record in walk(file, start, end):
            _add_to_summary(summary, file, record)
    except (DataError, struct.error) as exc:
        return Summary(start, note=f"the summary is damaged: {exc}")
    summary.chunks.sort()
    return summary


def _add_to_summary(summary: Summary, file: BinaryIO, record: Record) -> None:
    if record.opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
        summary.tables.add(record.opcode, read_at(file, record.body, record.length))
    elif record.opcode == Opcode.STATISTICS:
        summary.statistics = parse(Statistics, read_at(file, record.body, record.length))
    elif record.opcode == Opcode.CHUNK_INDEX:
        head = read_at(file, record.body, min(record.length, _CHUNK_INDEX.size))
        _, _, start, length, map_length = _CHUNK_INDEX.unpack(head)
        if record.length < _CHUNK_INDEX.size + map_length + 8:
            raise DataError(f"the index of the chunk at byte {start:,} is cut short")
        behind = int.from_bytes(read_at(file, record.body + _CHUNK_INDEX.size + map_length, 8), "little")
        summary.chunks.append((start, length, behind))


def crc_of(file: BinaryIO, start: int, end: int) -> int:
    """CRC-32 of a part of a file, read piece by piece."""
    file.seek(start)
    crc, left = 0, end - start
    while left > 0:
        piece = file.read(min(left, _PIECE_BYTES))
        if not piece:
            break
        crc, left = zlib.crc32(piece, crc), left - len(piece)
    return crc
