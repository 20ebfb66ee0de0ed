"""Records of an MCAP file, read so that no length in it is believed before it is held against what is there.

A file is magic, records (opcode, length, body), magic. Messages lie among the records or in chunks, which are records
compressed together. Bodies of small records are left to the `mcap` library, given no more than the record's own bytes.
Source: https://mcap.dev/spec
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from mcap.data_stream import ReadDataStream, RecordBuilder
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, Schema, Statistics

from drivetrain.core.errors import DataError, SampleError

MAGIC = b"\x89MCAP0\r\n"
HEAD = struct.Struct("<BQ")  # opcode, length of the body
MESSAGE = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time; the data follows
_CHUNK = struct.Struct("<QQQII")  # start time, end time, uncompressed size, CRC, length of the compression's name
MOST_CHUNK_BYTES = 1 << 28
"""A chunk that claims to hold more is refused; recorders write chunks of about a MiB."""

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
    """Records one after the other; bodies are stepped over. Raises DataError: one reaches past the end."""
    at = start
    while at < end:
        file.seek(at)
        head = file.read(HEAD.size)
        opcode, length = HEAD.unpack(head) if len(head) == HEAD.size else (0, 0)
        record = Record(opcode, at, length)
        if not opcode or record.end > end:
            raise DataError(f"the record at byte {at:,} of {end:,} is cut short or damaged")
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


def read_chunk(path: Path, start: int) -> bytes:
    """The records of the chunk at an offset, decompressed; its checksum is checked where it has one.

    Raises: SampleError: it is damaged, claims too much, or is compressed in a way that we do not read.
    """
    with path.open("rb") as file:
        opcode, length = HEAD.unpack(read_at(file, start, HEAD.size))
        if opcode != Opcode.CHUNK or length < _CHUNK.size:
            raise SampleError(f"there is no chunk at byte {start:,} of {path}")
        body = read_at(file, start + HEAD.size, length)
    try:
        return chunk_records(body)
    except SampleError as exc:
        raise SampleError(f"the chunk at byte {start:,} of {path} {exc.message}") from exc


def chunk_records(body: bytes) -> bytes:
    """The records in a chunk's body. Raises SampleError, whose text follows on `the chunk at ...`."""
    if len(body) < _CHUNK.size:
        raise SampleError(f"has {len(body)} bytes, fewer than its head")
    _, _, size, crc, name_length = _CHUNK.unpack_from(body)
    at = _CHUNK.size + name_length + 8
    if name_length > 32 or at > len(body):
        raise SampleError(f"names its compression with {name_length:,} bytes")
    name = body[_CHUNK.size : at - 8].decode(errors="replace")
    length = int.from_bytes(body[at - 8 : at], "little")
    if length > len(body) - at:
        raise SampleError(f"has {len(body) - at:,} bytes of records, not the {length:,} that it claims")
    if size > MOST_CHUNK_BYTES:
        raise SampleError(f"claims {size:,} bytes; at most {MOST_CHUNK_BYTES:,} are read")
    data = _decompress(name, body[at : at + length], size)
    if len(data) != size:
        raise SampleError(f"holds {len(data):,} bytes, not the {size:,} that it claims")
    if crc and zlib.crc32(data) != crc:
        raise SampleError("does not match its checksum: bytes were altered")
    return data


def _decompress(name: str, data: bytes, size: int) -> bytes:
    """At most `size` + 1 bytes are ever made."""
    if not name:
        return data
    if name == "zstd":
        return unzstd(data, size)
    if name == "lz4":
        return _unlz4(data, size)
    raise SampleError(f"is compressed with {name!r}; zstd, lz4 and none are read")


def unzstd(data: bytes, size: int | None) -> bytes:
    """Decompressed bytes: `size` of them, or without one at most `MOST_CHUNK_BYTES`. Raises SampleError."""
    import zstandard

    try:
        most = MOST_CHUNK_BYTES if size is None else size
        claimed = zstandard.get_frame_parameters(data).content_size
        if claimed == zstandard.CONTENTSIZE_UNKNOWN:
            claimed = most
        if claimed > most or (size is not None and claimed != size):
            raise SampleError(f"has {claimed:,} bytes by its zstd frame, expected {most:,}")
        decompressor = zstandard.ZstdDecompressor(max_window_size=MOST_CHUNK_BYTES)
        return decompressor.decompress(data, max_output_size=max(1, claimed))
    except zstandard.ZstdError as exc:
        raise SampleError(f"cannot be decompressed: {exc}") from exc


def _unlz4(data: bytes, size: int) -> bytes:
    import lz4.frame

    try:
        decompressor = lz4.frame.LZ4FrameDecompressor()
        whole: bytes = decompressor.decompress(data, max_length=size + 1)
    except (RuntimeError, EOFError, ValueError) as exc:
        raise SampleError(f"cannot be decompressed: {exc}") from exc
    return whole


def message_at(data: bytes, offset: int) -> tuple[int, int, bytes]:
    """Channel, log time and data of the message record at an offset. Raises SampleError: there is none."""
    opcode, length = HEAD.unpack_from(data, offset) if offset + HEAD.size <= len(data) else (0, 0)
    end = offset + HEAD.size + length
    if opcode != Opcode.MESSAGE or length < MESSAGE.size or end > len(data):
        raise SampleError(f"no message begins at byte {offset:,}")
    channel, _, log_time, _ = MESSAGE.unpack_from(data, offset + HEAD.size)
    return channel, log_time, data[offset + HEAD.size + MESSAGE.size : end]
