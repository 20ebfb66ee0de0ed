"""A SQLite file of a ROS 2 bag -> topics.

The file is opened read-only and as immutable, so nothing is written beside it. It may be damaged or made to harm: only
plain tables are read, no value may be larger than the file, and a query takes no more steps than the file's size
accounts for.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from drivetrain.core.errors import DataError, SampleError
from drivetrain.data.arrays import Ints
from drivetrain.data.sources.cache import Cache
from drivetrain.data.sources.topics import NO_ROWS, Schema, Topic, rows_by

_BLOCK_BYTES = 1 << 20  # messages are read in blocks of neighbours
_STEPS_PER_BYTE = 4  # of SQLite's machine; a row takes about 10 steps and at least 6 bytes
_STEPS_A_CALL = 10_000
Block = dict[int, bytes]


def num_bytes(block: Block) -> int:
    """Of the messages in a block."""
    return sum(map(len, block.values()))


def topics_of(path: Path, cache: Cache[Block]) -> list[Topic]:
    """A file's topics. Raises DataError: it is no bag, damaged, or was not closed."""
    for ending in ("-wal", "-journal"):
        beside = path.with_name(path.name + ending)
        if beside.is_file() and beside.stat().st_size:
            raise DataError(
                f"{path} was not closed: {beside.name} holds messages that are not in it yet",
                hint=f"let SQLite finish: sqlite3 {path} 'PRAGMA wal_checkpoint(TRUNCATE)'",
            )
    try:
        with _opened(path) as database:
            named = database.execute("SELECT id, name, type, serialization_format FROM topics ORDER BY id").fetchall()
            definitions = _definitions(database)
            rows = _Rows(path, database)
    except (sqlite3.Error, OSError, TypeError, OverflowError, ValueError) as exc:
        raise DataError(f"{path} is no ROS 2 bag, or damaged: {exc}", hint="fetch it again") from exc
    of_topic = rows_by(rows.topic_N)
    undefined = sorted(set(of_topic) - {row[0] for row in named})
    named += [(number, f"topic {number}", "", "") for number in undefined]
    return [_topic(rows, of_topic.get(row[0], NO_ROWS), row, definitions, cache) for row in named]


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    size = path.stat().st_size
    left = [(_STEPS_PER_BYTE * size + 1_000_000) // _STEPS_A_CALL]

    def step() -> bool:
        left[0] -= 1
        return left[0] < 0  # true interrupts the query

    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max(size, 1 << 20))
        database.set_progress_handler(step, _STEPS_A_CALL)
        database.execute("PRAGMA trusted_schema = OFF")
        kinds = dict(database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall())
        for table in ("topics", "messages"):
            if not str(kinds.get(table, "")).upper().startswith("CREATE TABLE"):
                raise DataError(f"{path} is no ROS 2 bag: it has no table {table}")
        yield database


def _definitions(database: sqlite3.Connection) -> dict[str, tuple[str, bytes]]:
    """Encoding and text by the type's name; bags before 2023 have none."""
    try:
        rows = database.execute("SELECT topic_type, encoding, encoded_message_definition FROM message_definitions")
        return {str(name): (str(encoding), str(text).encode()) for name, encoding, text in rows.fetchall()}
    except sqlite3.OperationalError:
        return {}


class _Rows:
    """Where messages are: their rows in the file's order, cut into blocks of neighbours."""

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self.path = path
        columns = array("q"), array("q"), array("q"), array("q")
        query = "SELECT rowid, topic_id, timestamp, length(data) FROM messages ORDER BY rowid"
        for row in database.execute(query):
            for column, value in zip(columns, row, strict=True):
                column.append(value)
        rowid, topic, t_ns, size = (np.frombuffer(column, np.int64) for column in columns)
        self.rowid_N: Ints = rowid
        self.topic_N: Ints = topic
        self.t_N_ns: Ints = t_ns
        self.block_N: Ints = np.cumsum(size) // _BLOCK_BYTES

    def data(self, row: int, cache: Cache[Block]) -> bytes:
        """A message. Raises SampleError: it cannot be read."""
        block = int(self.block_N[row])
        try:
            return cache.get(self.path, block, lambda: self._read(block))[int(self.rowid_N[row])]
        except (sqlite3.Error, OSError) as exc:
            raise SampleError(f"cannot read row {self.rowid_N[row]} of {self.path}: {exc}") from exc
        except KeyError:
            raise SampleError(f"row {self.rowid_N[row]} of {self.path} is gone, or no bytes") from None

    def _read(self, block: int) -> Block:
        first, beyond = np.searchsorted(self.block_N, [block, block + 1])
        between = int(self.rowid_N[first]), int(self.rowid_N[beyond - 1])
        with _opened(self.path) as database:
            rows = database.execute("SELECT rowid, data FROM messages WHERE rowid BETWEEN ? AND ?", between)
            return {row: data for row, data in rows if isinstance(data, bytes)}


def _topic(
    rows: _Rows, mine: Ints, row: tuple[Any, ...], definitions: dict[str, tuple[str, bytes]], cache: Cache[Block]
) -> Topic:
    _, name, kind, encoding = row
    definition_encoding, text = definitions.get(str(kind).removesuffix("_Event"), ("", b""))  # of a service's call
    return Topic(
        name=str(name),
        schema=Schema(str(kind), definition_encoding, text),
        encoding=str(encoding),
        t_ns=rows.t_N_ns[mine],
        num_listed=len(mine),
        data=lambda i: rows.data(int(mine[i]), cache),
    )
