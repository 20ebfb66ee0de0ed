"""Writes one file of the index batch by batch, so that memory does not grow with the number of rows."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from drivetrain.core.errors import DataError
from drivetrain.data.codec import codec_of
from drivetrain.data.index import PLACE, WORD, Place

_ROWS_PER_BATCH = 32_768
_FIXED = {"split": WORD, "shard": WORD}


@dataclass
class FragmentWriter:
    """Rows become an Arrow file. Columns and parts are those of the first batch, and what `types` names.

    Attributes:
      file: to write.
      types: of columns by name; the others' are told from the first batch that has them.
      num_samples: written so far, by split.
    """

    file: Path
    types: Mapping[str, pa.DataType]
    num_samples: dict[str, int] = field(default_factory=dict)
    _rows: list[tuple[str, str, Mapping[str, object], Mapping[str, Place]]] = field(default_factory=list)
    _schema: pa.Schema | None = None
    _sink: Any = None
    _writer: Any = None
    _words: dict[str, dict[str | None, int]] = field(default_factory=dict)
    _key_hashes: array[int] = field(default_factory=lambda: array("Q"))

    @property
    def parts(self) -> dict[str, str]:
        """Name of each part -> its codec, as of the last batch written."""
        fields = self._schema or pa.schema({})
        return {name: codec_of(name) for name in fields.names if "." in name}

    def add(self, key: str, shard: str, columns: Mapping[str, object], places: Mapping[str, Place]) -> None:
        """Append a row; raises DataError or OSError when a batch is full and will not go in."""
        self._rows.append((key, shard, columns, places))
        self._key_hashes.append(int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "little"))
        split = columns["split"]
        if split is not None:
            self.num_samples[str(split)] = self.num_samples.get(str(split), 0) + 1
        if len(self._rows) == _ROWS_PER_BATCH:
            self._write_batch()

    def finish(self) -> None:
        """Write what is left and close the file. Raises DataError: two rows have one key; else as `add` does."""
        self._write_batch()
        self.close()
        hashes = np.sort(np.frombuffer(self._key_hashes, np.uint64))
        if (hashes[1:] == hashes[:-1]).any():
            raise DataError(f"two samples are called {self._repeated(hashes)!r}; keys must be unique in a data set")

    def close(self) -> None:
        """Let go of the file, whole or not; may be called twice."""
        writer, sink = self._writer, self._sink
        self._writer = self._sink = None
        if writer is not None:
            writer.close()
        if sink is not None:
            sink.close()

    def _write_batch(self) -> None:
        if self._schema is not None and not self._rows:
            return
        keys, shards = [row[0] for row in self._rows], [row[1] for row in self._rows]
        columns, places = [row[2] for row in self._rows], [row[3] for row in self._rows]
        arrays: dict[str, Any] = {"key": pa.array(keys, pa.string()), "shard": self._word_array("shard", shards)}
        names = self._column_names(columns)
        arrays |= {name: self._column(name, [row.get(name) for row in columns], keys) for name in names}
        arrays |= {part: _places_array([row.get(part) for row in places]) for part in self._part_names(places)}
        if self._schema is None:
            self._schema = pa.schema({name: values.type for name, values in arrays.items()})
            self._sink = pa.OSFile(str(self.file), "wb")
            options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
            self._writer = pa.ipc.new_file(self._sink, self._schema, options=options)
        self._refuse_others(keys, columns, places)
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))
        self._rows.clear()

    def _column_names(self, rows: Sequence[Mapping[str, object]]) -> list[str]:
        if self._schema is not None:
            return [name for name in self._schema.names if name not in ("key", "shard") and "." not in name]
        return list(dict.fromkeys(["split", *self.types, *(name for row in rows for name in row)]))

    def _part_names(self, rows: Sequence[Mapping[str, Place]]) -> list[str]:
        return list(self.parts) if self._schema is not None else sorted({part for row in rows for part in row})

    def _column(self, name: str, values: list[Any], keys: list[str]) -> Any:
        kind: Any = self._schema.field(name).type if self._schema is not None else {**self.types, **_FIXED}.get(name)
        if kind is not None and pa.types.is_dictionary(kind):
            return self._word_array(name, values)
        try:
            return pa.array(values, kind)
        except (pa.ArrowException, OverflowError, TypeError, ValueError) as exc:
            key, value = _first_misfit(keys, values, kind)
            expected = f"expected {kind}" if kind is not None else "expected values of one kind"
            raise DataError(f"column {name} of sample {key} is {value!r:.80}; {expected}: {exc}") from exc

    def _word_array(self, name: str, values: Sequence[object]) -> Any:
        """Codes of words; a word keeps its code in later batches, as one file has one dictionary."""
        words = self._words.setdefault(name, {})
        codes = [None if v is None else words.setdefault(str(v), len(words)) for v in values]
        return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(list(words), pa.string()))

    def _refuse_others(self, keys: list[str], columns: list[Any], places: list[Any]) -> None:
        known = set(self._schema.names) if self._schema is not None else set()
        for key, row, parts in zip(keys, columns, places, strict=True):
            if not known.issuperset(row) or not known.issuperset(parts):
                extra = ", ".join(sorted({*row, *parts} - known))
                raise DataError(
                    f"sample {key} has {extra}, which none of the first {_ROWS_PER_BATCH} samples has",
                    hint="give the types of all columns to the writer",
                )

    def _repeated(self, sorted_hashes: Any) -> str:
        repeated = sorted_hashes[1:][sorted_hashes[1:] == sorted_hashes[:-1]][0]
        row = int(np.flatnonzero(np.frombuffer(self._key_hashes, np.uint64) == repeated)[0])
        with pa.memory_map(str(self.file)) as source:
            return str(pa.ipc.open_file(source).read_all()["key"][row].as_py())


def _places_array(places: Sequence[Place | None]) -> Any:
    values = [(0, 0, 0) if place is None else (place.offset, place.size_bytes, place.crc32) for place in places]
    numbers = zip(*values, strict=True) if values else ((), (), ())
    arrays = [pa.array(column, kind.type) for column, kind in zip(numbers, PLACE, strict=True)]
    absent = pa.array([place is None for place in places], pa.bool_())
    return pa.StructArray.from_arrays(arrays, fields=list(PLACE), mask=absent)


def _first_misfit(keys: list[str], values: list[Any], kind: Any) -> tuple[str, object]:
    """The first value that does not fit a type, or those before it."""
    fitting, failing = 0, len(values)
    while failing - fitting > 1:
        middle = (fitting + failing) // 2
        try:
            pa.array(values[:middle], kind)
            fitting = middle
        except (pa.ArrowException, OverflowError, TypeError, ValueError):
            failing = middle
    return keys[failing - 1], values[failing - 1]
