"""Records of an MCAP file, read so that no length in it is believed before it is held against what is there.

A file is magic, records (opcode, length, body), magic. Messages lie among the records or in chunks, which are records
compressed together. Bodies of small records are left to the `mcap` library, given no more than the record's own bytes.
Source: https://mcap.dev/spec
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO, TypeVar

from mcap.data_stream import ReadDataStream, RecordBuilder
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, Schema, Statistics

from drivetrain.core.errors import DataError, SampleError

MAGIC = b"\x89MCAP0\r\n"
HEAD = struct.Struct("<BQ")  # opcode, length of the body
MESSAGE = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time; the data follows
_MOST_RECORD_BYTES = 1 << 26  # of a schema, a channel or the statistics
T = TypeVar("T", Schema, Channel, Statistics)


@dataclass(frozen=True, slots=True)
class Record:
    """Where one record lies.

    Attributes:
      start: offset of its opcode in the file or the chunk.
      body: offset of its body.
      length: of the body.
    """

    opcode: int
    start: int
    length: int

    @property
    def body(self) -> int:
        """Offset of the body."""
        return self.start + HEAD.size

    @property
    def end(self) -> int:
        """Offset of what follows."""
        return self.body + self.length


class CutShortError(DataError):
    """A record reaches past the end of what is there.

    Attributes:
      record: as it claims to be; opcode 0 where not even its head is there.
    """

    def __init__(self, message: str, record: Record) -> None:
        super().__init__(message)
        self.record = record


def size_of(file: BinaryIO) -> int:
    """Bytes of an open file."""
    return os.fstat(file.fileno()).st_size


def read_at(file: BinaryIO, offset: int, length: int) -> bytes:
    """Exactly so many bytes. Raises SampleError: the file has no such place."""
    if not 0 <= offset <= size_of(file) - length:
        raise SampleError(f"{file.name} ends before byte {offset + length:,}")
    file.seek(offset)
    data = file.read(length)
    if len(data) < length:
        raise SampleError(f"{file.name} ended while it was read")
    return data


def walk(file: BinaryIO, start: int, end: int) -> Iterator[Record]:
    """Records one after the other; bodies are stepped over. Raises CutShortError: one reaches past the end."""
    at = start
    while at < end:
        file.seek(at)
        head = file.read(HEAD.size)
        opcode, length = HEAD.unpack(head) if len(head) == HEAD.size else (0, 0)
        record = Record(opcode, at, length)
        if not opcode or record.end > end:
            raise CutShortError(f"the record at byte {at:,} of {end:,} is cut short or damaged", record)
        yield record
        at = record.end


def walk_chunk(data: bytes) -> Iterator[Record]:
    """Records inside a chunk. Raises DataError: one reaches past the end."""
    at = 0
    while at < len(data):
        opcode, length = HEAD.unpack_from(data, at) if at + HEAD.size <= len(data) else (0, 0)
        record = Record(opcode, at, length)
        if not opcode or record.end > len(data):
            raise DataError(f"the record at byte {at:,} of the chunk's {len(data):,} is cut short or damaged")
        yield record
        at = record.end


def parse(kind: type[T], body: bytes) -> T:
    """A schema, a channel or the statistics. Raises DataError: the bytes are none."""
    if len(body) > _MOST_RECORD_BYTES:
        raise DataError(f"a {kind.__name__} record of {len(body):,} bytes is no such thing")
    stream = ReadDataStream(BytesIO(body))
    try:
        record: Any = kind.read(stream)
    except (McapError, struct.error, ValueError) as exc:  # bad UTF-8 is a ValueError
        raise DataError(f"a {kind.__name__} record is damaged: {exc or type(exc).__name__}") from exc
    if isinstance(record, Schema) and not body.startswith(_body_of(record)):
        raise DataError(f"the schema {record.name} is cut short")
    return record  # type: ignore[no-any-return]  # of the kind that was asked for


def _body_of(record: Schema) -> bytes:
    builder = RecordBuilder()
    record.write(builder)
    return bytes(builder.end()[HEAD.size :])  # type: ignore[no-untyped-call]  # the library leaves it without types


def message_at(data: bytes, offset: int) -> tuple[int, int, bytes]:
    """Channel, log time and data of the message record at an offset. Raises SampleError: there is none."""
    opcode, length = HEAD.unpack_from(data, offset) if offset + HEAD.size <= len(data) else (0, 0)
    end = offset + HEAD.size + length
    if opcode != Opcode.MESSAGE or length < MESSAGE.size or end > len(data):
        raise SampleError(f"no message begins at byte {offset:,}")
    channel, _, log_time, _ = MESSAGE.unpack_from(data, offset + HEAD.size)
    return channel, log_time, data[offset + HEAD.size + MESSAGE.size : end]
