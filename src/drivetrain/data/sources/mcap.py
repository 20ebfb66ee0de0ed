"""An MCAP file: its topics become streams, read through its indexes, a chunk at a time.

A stamp is the time at which the message was recorded (`log_time`), in the order of the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from drivetrain.core.errors import SampleError
from drivetrain.data.arrays import Ints
from drivetrain.data.log import Log
from drivetrain.data.sources import meanings
from drivetrain.data.sources.cache import Cache
from drivetrain.data.sources.mcap_chunk import read_chunk
from drivetrain.data.sources.mcap_index import OUTSIDE, Contents, read_contents
from drivetrain.data.sources.mcap_records import HEAD, MAGIC, MESSAGE, message_at, read_at
from drivetrain.data.sources.topics import NO_ROWS, Schema, Topic, intrinsics_of, join, rows_by, streams_of


def recognise(path: Path) -> str:
    """Why this is no MCAP file, or an empty string."""
    if not path.is_file():
        return "it is no file"
    return "" if path.suffix == ".mcap" or _begins_as_mcap(path) else "it does not end in .mcap, nor begin as one"


def _begins_as_mcap(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def open_log(path: Path) -> Log:
    """Open a file; its summary is read now, messages when asked for.

    A file without a usable summary is walked over once. What is damaged is left out and said in the log's notes.

    Raises: DataError: no MCAP file, or one so damaged that no message can be told.
    """
    topics, notes = topics_of(path, Cache(len))
    return log_of("mcap", path, [path], topics, notes)


def log_of(source: str, path: Path, files: Sequence[Path], topics: Iterable[Topic], notes: Sequence[str]) -> Log:
    """A log of topics, those of the same name joined."""
    joined = join(topics)
    streams = streams_of(joined)
    intrinsics, wrong = intrinsics_of(joined, streams)
    return Log(
        name=path.resolve().name if path.is_dir() else path.stem,
        source=source,
        content_hash=lambda: _hash(files),
        streams=streams,
        intrinsics=intrinsics,
        class_names=_class_names(joined),
        notes=(*notes, *wrong),
    )


def _class_names(topics: Iterable[Topic]) -> dict[int, str]:
    for topic in topics:
        try:
            return msgspec.json.decode(topic.metadata[meanings.CLASSES], type=dict[int, str])
        except (KeyError, msgspec.DecodeError):
            continue
    return {}


def _hash(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0".encode())
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()[:16]


def topics_of(path: Path, cache: Cache[bytes]) -> tuple[list[Topic], tuple[str, ...]]:
    """A file's topics, and notes on what is damaged. Raises DataError: it cannot be read."""
    contents = read_contents(path)
    notes = [f"{path.name}: {note}" for note in contents.notes]
    rows = rows_by(contents.channel_M)
    together: dict[tuple[str, Schema, str], list[int]] = {}
    for number in sorted({*contents.channels, *rows}):
        together.setdefault(_what(contents, number), []).append(number)
        if number not in contents.channels:
            notes.append(f"{path.name}: no record says what channel {number} is; its messages are bytes")
    return [_topic(path, contents, numbers, rows, cache) for numbers in together.values()], tuple(notes)


def _what(contents: Contents, number: int) -> tuple[str, Schema, str]:
    """Topic, schema and encoding of a channel: channels that agree in them are one topic."""
    channel = contents.channels.get(number)
    if channel is None:
        return f"channel {number}", Schema(), ""
    schema = contents.schemas.get(channel.schema_id)
    known = Schema(schema.name, schema.encoding, schema.data) if schema else Schema()
    return channel.topic, known, channel.message_encoding


def _topic(
    path: Path, contents: Contents, numbers: Sequence[int], rows_of: Mapping[int, Ints], cache: Cache[bytes]
) -> Topic:
    rows = np.sort(np.concatenate([rows_of.get(number, NO_ROWS) for number in numbers]))  # in the file's order

    def data(i: int) -> bytes:
        row = rows[i]
        chunk, offset, t_ns = int(contents.chunk_M[row]), int(contents.offset_M[row]), int(contents.t_M_ns[row])
        try:
            records, at = (
                (cache.get(path, chunk, lambda: read_chunk(path, chunk)), offset)
                if chunk != OUTSIDE
                else (_outside(path, offset), 0)
            )
            channel, log_time, message = message_at(records, at)
        except OSError as exc:
            raise SampleError(f"cannot read {path}: {exc.strerror}") from exc
        if channel not in numbers or log_time != t_ns:
            raise SampleError(f"{path}: the index leads to a message of channel {channel} at {log_time:,} ns")
        return message

    name, schema, encoding = _what(contents, numbers[0])
    channel = contents.channels.get(numbers[0])
    return Topic(
        name=name,
        schema=schema,
        encoding=encoding,
        t_ns=contents.t_M_ns[rows],
        num_listed=max(len(rows), sum(contents.num_listed.get(number, 0) for number in numbers)),
        data=data,
        metadata=channel.metadata if channel else {},
    )


def _outside(path: Path, offset: int) -> bytes:
    """The record of a message that is in no chunk."""
    with path.open("rb") as file:
        _, length = HEAD.unpack(read_at(file, offset, HEAD.size))
        return read_at(file, offset, HEAD.size + max(length, MESSAGE.size))
