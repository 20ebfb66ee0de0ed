"""The rows of a data set as one Arrow table over mapped files: nothing is copied, and no row becomes an object."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pyarrow as pa

from drivetrain.core.errors import DataError
from drivetrain.data.arrays import Ints
from drivetrain.data.format1 import index_of_format_1
from drivetrain.data.manifest import Manifest
from drivetrain.data.mapped import let_go, read_arrow

PLACE = pa.struct([("offset", pa.int64()), ("bytes", pa.int64()), ("crc32", pa.uint32())])
"""Where the bytes of a part are in its sample's shard."""

_ROWS_HELD = 64
"""Rows looked up at random until pages of the index are let go; each row may touch some of 64 KiB."""

WORD = pa.dictionary(pa.int32(), pa.string())
"""A column of few different words."""


class Place(NamedTuple):
    """Where a part of a sample is.

    Attributes:
      shard: name of the file.
      offset: of its first byte.
      size_bytes: of the part.
      crc32: of its bytes.
    """

    shard: str
    offset: int
    size_bytes: int
    crc32: int


def read_index(path: Path, manifest: Manifest) -> pa.Table:
    """All rows of a version, those that were deleted too, in order. Raises DataError: a file is not what it must be."""
    tables = [_read_fragment(path / name) for name in manifest.fragments]
    try:
        table = pa.concat_tables(tables, promote_options="default")
    except pa.ArrowInvalid as exc:
        raise DataError(f"the index files of {path} do not go together: {exc}") from exc
    for name, file in sorted(manifest.columns.items()):
        column = read_arrow(path / file).column(0)
        later = table.slice(len(column))
        rest = later[name] if name in table.column_names else pa.chunked_array([pa.nulls(len(later), column.type)])
        if len(column) > len(table) or rest.type != column.type:
            raise DataError(f"{path / file} does not fit the index of {path}: {len(column)} rows of {column.type}")
        whole = pa.chunked_array([*column.chunks, *rest.chunks], type=column.type)
        at = table.column_names.index(name) if name in table.column_names else -1
        table = table.append_column(name, whole) if at < 0 else table.set_column(at, name, whole)
    missing = [name for name in ("key", "split", "shard", *manifest.parts) if name not in table.column_names]
    if missing:
        raise DataError(f"the index of {path} has no column {', '.join(missing)}; it has {table.column_names}")
    return table


def read_deleted(path: Path, manifest: Manifest) -> Ints:
    """Numbers of the deleted rows, ascending. Raises DataError as above."""
    if not manifest.deleted:
        return np.empty(0, np.int64)
    return cast(Ints, read_arrow(path / manifest.deleted).column(0).to_numpy())


def write_arrow(file: Path, table: pa.Table) -> None:
    """Write an index file; raises OSError."""
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def matches(column: Any, word: str) -> Ints:
    """Numbers of the rows that have a word, in a column of few different words."""
    codes = [(chunk.dictionary.to_pylist(), chunk.indices) for chunk in column.chunks]
    hits = [_equal(indices, words.index(word) if word in words else -1) for words, indices in codes]
    return cast(Ints, np.flatnonzero(np.concatenate(hits)) if hits else np.empty(0, np.int64))


def count_words(column: Any) -> dict[str, int]:
    """How often each word is in a column of few different words."""
    counts: dict[str, int] = {}
    for chunk in column.chunks:
        times = np.bincount(chunk.indices.drop_null().to_numpy(), minlength=len(chunk.dictionary))
        for word, num in zip(chunk.dictionary.to_pylist(), times.tolist(), strict=True):
            counts[word] = counts.get(word, 0) + num
    return {word: num for word, num in counts.items() if num}


class Places:
    """Where samples' parts are, by row of the index, in a few microseconds."""

    def __init__(self, table: pa.Table, parts: Sequence[str]) -> None:
        """Look at an index.

        Args:
          table: as `read_index` gives it.
          parts: names of the parts.
        """
        self._shards = _Chunks(table["shard"], _words)
        self._parts = {part: _Chunks(table[part], _numbers) for part in parts}
        self._num_found = 0

    def of(self, row: int) -> dict[str, Place]:
        """Each part of the sample in a row."""
        self._num_found += 1
        if self._num_found % _ROWS_HELD == 0:
            let_go()
        (words, codes), at = self._shards.find(row)
        shard = words[codes[at]]
        places = {}
        for part, chunks in self._parts.items():
            (offsets, sizes, crcs, present), at = chunks.find(row)
            if present is None or present[at]:
                places[part] = Place(shard, offsets[at], sizes[at], crcs[at])
        return places


class _Chunks:
    """Chunks of a column as views of the same memory, whose elements are Python's numbers, found by row."""

    def __init__(self, column: Any, view: Callable[[Any], Any]) -> None:
        self._chunks = [view(chunk) for chunk in column.chunks]
        self._starts = [0, *itertools.accumulate(len(chunk) for chunk in column.chunks)]

    def find(self, row: int) -> tuple[Any, int]:
        """What the chunk with a row was viewed as, and the place of the row in it."""
        at = bisect_right(self._starts, row) - 1
        return self._chunks[at], row - self._starts[at]


def _words(chunk: Any) -> tuple[list[str], memoryview]:
    return chunk.dictionary.to_pylist(), memoryview(chunk.indices.to_numpy())


def _numbers(chunk: Any) -> tuple[memoryview, memoryview, memoryview, memoryview | None]:
    """Offsets, sizes and checksums, and which rows have them (None: all)."""
    present = memoryview(chunk.is_valid().to_numpy(zero_copy_only=False)) if chunk.null_count else None
    fields = (chunk.field(name) for name in ("offset", "bytes", "crc32"))
    offset, size, crc = (memoryview((f.fill_null(0) if f.null_count else f).to_numpy()) for f in fields)
    return offset, size, crc, present


def _equal(indices: Any, code: int) -> Any:
    filled = indices.fill_null(-2) if indices.null_count else indices
    return filled.to_numpy() == code


def _read_fragment(file: Path) -> pa.Table:
    table = read_arrow(file)
    return index_of_format_1(table) if "image_offset" in table.column_names else table
