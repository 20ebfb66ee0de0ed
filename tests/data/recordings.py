"""Small recordings for tests, written by the public writer of MCAP or byte by byte."""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from mcap.writer import CompressionType, Writer

from drivetrain.data.sources import cdr, ros2msg, standard

MAGIC = b"\x89MCAP0\r\n"
HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, DATA_END = 1, 2, 3, 4, 5, 6, 15


def ros(schema: str, values: Mapping[str, Any]) -> bytes:
    """A message of a standard type; what is not given is zero."""
    definition = standard.definition_of(schema)
    return cdr.encode(definition, {**zero(definition, definition.name), **values})


def zero(definition: ros2msg.Definition, struct_name: str) -> dict[str, Any]:
    def one(kind: str) -> Any:
        if kind == "string":
            return ""
        return 0 if kind in ros2msg.PRIMITIVES else zero(definition, kind)

    def of(field: ros2msg.Field) -> Any:
        if field.length is None:
            return one(field.type)
        several = [one(field.type)] * field.length
        return bytes(several) if field.type in ("uint8", "byte") else several

    return {field.name: of(field) for field in definition.structs[struct_name]}


def write_mcap(
    path: Path,
    topics: Iterable[tuple[str, str, str, list[tuple[int, bytes]]]],
    *,
    definitions: Mapping[str, str] | None = None,
    compression: CompressionType = CompressionType.ZSTD,
    chunk_size: int = 1 << 20,
    **settings: Any,
) -> Path:
    """A file of topics: name, schema's name (empty for none), encoding, messages (stamp, bytes).

    ROS 2 schemas have the standard definition, or the one given by the schema's name.
    """
    with path.open("wb") as file:
        writer = Writer(file, compression=compression, chunk_size=chunk_size, **settings)
        writer.start()
        for name, schema, encoding, messages in topics:
            text = (definitions or {}).get(schema) or standard.definition_text(schema)
            kind = "ros2msg" if encoding == "cdr" else "jsonschema"
            number = writer.register_schema(schema, kind, text.encode()) if schema else 0
            channel = writer.register_channel(name, encoding, number)
            for t_ns, data in messages:
                writer.add_message(channel, t_ns, data, t_ns)
        writer.finish()
    return path


def as_json(**values: Any) -> bytes:
    return json.dumps(values).encode()


def record(opcode: int, body: bytes) -> bytes:
    return struct.pack("<BQ", opcode, len(body)) + body


def text(value: str) -> bytes:
    return struct.pack("<I", len(value.encode())) + value.encode()


def schema_record(number: int, name: str, encoding: str, data: bytes) -> bytes:
    return record(SCHEMA, struct.pack("<H", number) + text(name) + text(encoding) + struct.pack("<I", len(data)) + data)


def channel_record(number: int, schema: int, topic: str, encoding: str) -> bytes:
    return record(CHANNEL, struct.pack("<HH", number, schema) + text(topic) + text(encoding) + struct.pack("<I", 0))


def message_record(channel: int, t_ns: int, data: bytes) -> bytes:
    return record(MESSAGE, struct.pack("<HIQQ", channel, 0, t_ns, t_ns) + data)


def chunk_record(records: bytes, *, size: int | None = None, crc: int = 0, compression: str = "") -> bytes:
    claimed = len(records) if size is None else size
    body = struct.pack("<QQQI", 0, 0, claimed, crc) + text(compression) + struct.pack("<Q", len(records)) + records
    return record(CHUNK, body)


def plain_mcap(*records: bytes) -> bytes:
    """A whole file without a summary."""
    head = MAGIC + record(HEADER, text("") + text("test"))
    end = record(DATA_END, bytes(4)) + record(FOOTER, bytes(20)) + MAGIC
    return head + b"".join(records) + end


def write_db3(
    path: Path,
    topics: Iterable[tuple[str, str, list[tuple[int, bytes]]]],
    definitions: Mapping[str, str] | None = None,
) -> Path:
    """A file of topics: name, type, messages (stamp, bytes), as rosbag2 lays it out; their messages in turn."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,"
            " serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL);"
            "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, timestamp INTEGER NOT NULL,"
            " data BLOB NOT NULL);"
        )
        if definitions is not None:
            database.execute(
                "CREATE TABLE message_definitions(id INTEGER PRIMARY KEY, topic_type TEXT NOT NULL,"
                " encoding TEXT NOT NULL, encoded_message_definition TEXT NOT NULL)"
            )
            for name, definition in definitions.items():
                database.execute("INSERT INTO message_definitions VALUES (NULL, ?, 'ros2msg', ?)", (name, definition))
        for number, (name, kind, messages) in enumerate(topics, start=1):
            database.execute("INSERT INTO topics VALUES (?, ?, ?, 'cdr', '')", (number, name, kind))
            rows = [(number, t_ns, data) for t_ns, data in messages]
            database.executemany("INSERT INTO messages VALUES (NULL, ?, ?, ?)", rows)
        database.commit()
    return path


def write_metadata(folder: Path, files: list[str], counts: Mapping[str, int], **settings: str) -> None:
    topics = [
        {"topic_metadata": {"name": name, "type": "", "serialization_format": "cdr"}, "message_count": count}
        for name, count in counts.items()
    ]
    info = {"version": 5, "relative_file_paths": files, "topics_with_message_count": topics, **settings}
    (folder / "metadata.yaml").write_text(json.dumps({"rosbag2_bagfile_information": info}))
