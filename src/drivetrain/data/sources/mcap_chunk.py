"""A chunk of an MCAP file -> the records in it; what it claims of its size is checked before memory is asked for."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import BinaryIO

from mcap.opcode import Opcode

from drivetrain.core.errors import SampleError
from drivetrain.data.sources.mcap_records import HEAD, read_at, size_of

MOST_CHUNK_BYTES = 1 << 28
"""A chunk that claims to hold more is refused; recorders write chunks of about a MiB."""

_CHUNK = struct.Struct("<QQQII")  # start time, end time, uncompressed size, CRC, length of the compression's name
_MOST_NAME_BYTES = 32
_MOST_BODY_BYTES = MOST_CHUNK_BYTES + (1 << 20)


def read_chunk(path: Path, start: int) -> bytes:
    """The records of the chunk at an offset; see `chunk_at`. Raises SampleError naming the file and the place."""
    try:
        with path.open("rb") as file:
            return chunk_at(file, start)
    except SampleError as exc:
        raise SampleError(f"the chunk at byte {start:,} of {path} {exc.message}") from exc


def chunk_at(file: BinaryIO, start: int) -> bytes:
    """The records of the chunk at an offset, decompressed; its checksum is checked where it has one.

    Where the file ends inside the chunk, as much as can be had of it, unchecked.

    Raises: SampleError, whose text follows on `the chunk at ...`: it is damaged, claims too much, or is compressed in a
      way that we do not read.
    """
    opcode, length = HEAD.unpack(read_at(file, start, HEAD.size))
    if opcode != Opcode.CHUNK:
        raise SampleError("is none")
    num_there = size_of(file) - start - HEAD.size
    is_cut = length > num_there
    if length > _MOST_BODY_BYTES and not is_cut:
        raise SampleError(f"claims {length:,} bytes; at most {_MOST_BODY_BYTES:,} are read")
    return _records(read_at(file, start + HEAD.size, min(length, num_there, _MOST_BODY_BYTES)), is_cut=is_cut)


def _records(body: bytes, *, is_cut: bool) -> bytes:
    if len(body) < _CHUNK.size:
        raise SampleError(f"has {len(body)} bytes, fewer than its head")
    _, _, size, crc, name_length = _CHUNK.unpack_from(body)
    at = _CHUNK.size + name_length + 8
    if name_length > _MOST_NAME_BYTES or at > len(body):
        raise SampleError(f"names its compression with {name_length:,} bytes")
    if size > MOST_CHUNK_BYTES:
        raise SampleError(f"claims {size:,} bytes; at most {MOST_CHUNK_BYTES:,} are read")
    name = body[_CHUNK.size : at - 8].decode(errors="replace")
    length = int.from_bytes(body[at - 8 : at], "little")
    if is_cut:
        return _decompress_some(name, body[at:], size)
    if length > len(body) - at:
        raise SampleError(f"has {len(body) - at:,} bytes of records, not the {length:,} that it claims")
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


def _decompress_some(name: str, data: bytes, size: int) -> bytes:
    """What the beginning of compressed data gives, at most `size` bytes."""
    if name != "zstd":
        return _decompress(name, data, size)[:size]
    import zstandard

    try:
        with zstandard.ZstdDecompressor(max_window_size=MOST_CHUNK_BYTES).stream_reader(data) as reader:
            return reader.read(size)
    except zstandard.ZstdError as exc:
        raise SampleError(f"cannot be decompressed: {exc}") from exc


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
        found: bytes = decompressor.decompress(data, max_length=size + 1)
    except (RuntimeError, EOFError, ValueError) as exc:
        raise SampleError(f"cannot be decompressed: {exc}") from exc
    return found
