"""A data set on disk: plain tar shards, an Arrow index with a row per sample, and a manifest for each version of it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from drivetrain.core.errors import DataError, SampleError, UsageError
from drivetrain.data.arrays import Ints
from drivetrain.data.checksum import crc32
from drivetrain.data.codec import decode
from drivetrain.data.index import Place, Places, matches, read_deleted, read_index
from drivetrain.data.loading.shards import FolderShards, Shards
from drivetrain.data.manifest import Manifest, read_manifest
from drivetrain.data.predicate import matching
from drivetrain.data.sample import RESERVED, Encoded, Row, Sample
from drivetrain.data.slices import Slice

_HASHED_BYTES = 32 << 20
"""Files of the index up to this size are compared with their hash whenever they are opened."""


@dataclass(frozen=True, eq=False)
class DataSet:
    """An opened version of a data set; any sample is one seek away, from any thread.

    It is not changed by what is written later. It maps the index, and keeps shards open that it read from lately.

    Attributes:
      path: its folder; of one in a bucket, the folder with its index.
      manifest: what it is.
      table: the index, one row per sample, those that were deleted too; over mapped files.
      live: numbers of the rows of `table` that are samples; None where all are.
      far: where the shards are, if not in the folder.
    """

    path: Path
    manifest: Manifest
    table: pa.Table = field(repr=False)
    live: Ints | None = field(repr=False, default=None)
    far: Shards | None = field(repr=False, default=None)

    @classmethod
    def open(cls, path: Path | str, version: str | None = None, *, verify: bool = False) -> DataSet:
        """Open a data set and check that it is whole.

        Args:
          path: its folder.
          version: an id, or the first four or more digits of one; the current version by default.
          verify: also read every file and compare its hash; without it shards, and files of the index of more than
            32 MiB, are checked by size, and each sample by its own checksum when it is read.
        Raises: DataError: there is none, or a file is missing or not what the manifest says; the file is named.
        """
        path = Path(path)
        manifest = read_manifest(path, version)
        for name, stored in manifest.files.items():
            is_small = not name.endswith(".tar") and stored.size_bytes <= _HASHED_BYTES
            problem = stored.difference(path / name, with_hash=verify or is_small)
            if problem:
                raise DataError(
                    f"{path / name} {problem} (SHA-256 {stored.sha256[:16]}...)",
                    hint="the data set is not whole: make it again, or copy it again from where it was made",
                )
        return cls.over(path, manifest)

    @classmethod
    def over(cls, path: Path, manifest: Manifest, far: Shards | None = None) -> DataSet:
        """A data set of whose files only those of the index are looked at. Raises DataError as `open` does.

        Args:
          path: where the index is.
          manifest: what it is.
          far: where the shards are, if not there.
        """
        table = read_index(path, manifest)
        deleted = read_deleted(path, manifest)
        live = np.delete(np.arange(len(table), dtype=np.int64), deleted) if len(deleted) else None
        return cls(path, manifest, table, live, far)

    def __len__(self) -> int:
        return len(self.table) if self.live is None else len(self.live)

    @cached_property
    def index(self) -> pa.Table:
        """One row per sample. A copy where samples were deleted, else the mapped files."""
        return self.table if self.live is None else self.table.take(self.live)

    @property
    def classes(self) -> tuple[str, ...]:
        """What label 0, 1, ... means."""
        return self.manifest.classes

    @property
    def slices(self) -> dict[str, str]:
        """Name of each slice -> its predicate."""
        return self.manifest.slices

    @property
    def column_names(self) -> tuple[str, ...]:
        """Columns that samples have, without those that say where their bytes are."""
        return tuple(name for name in self.table.column_names if name not in RESERVED | set(self.manifest.parts))

    def rows(self, where: str | Slice) -> Ints:
        """Numbers of the samples that are asked for, in order.

        Args:
          where: a split, a slice by name, a Slice, or a predicate over columns and slices such as
            `speed_m_per_s < 2 and num_pedestrians > 5`.
        Raises: UsageError: there is no such split, slice or column; those that there are are named.
        """
        if isinstance(where, str) and where in self.manifest.num_samples:
            hits = matches(self.table["split"], where)
            return hits if self.live is None else cast(Ints, np.flatnonzero(np.isin(self.live, hits)))
        predicate = where.where if isinstance(where, Slice) else where
        self._refuse_unknown_word(predicate)
        matched = matching(self.table, predicate, self.slices)
        return cast(Ints, np.flatnonzero(matched if self.live is None else matched[self.live]))

    def samples(self, where: str | Slice, *, start: int = 0, step: int = 1) -> Iterator[Sample]:
        """Samples of `rows(where)`, once: from number `start`, every `step`-th, so that ranks can share them.

        Raises: SampleError: one is damaged; a score that silently left it out would not be the split's.
        """
        for row in self.rows(where)[start::step]:
            yield self.read(int(row))

    def key(self, row: int) -> str:
        """What the sample in a row is called."""
        return cast(str, self.table["key"][self._at(row)].as_py())

    def row_of(self, key: str) -> int:
        """The row of a sample. Raises UsageError: there is none; the nearest keys are named."""
        found = pc.index(self.index["key"], key).as_py()
        if found < 0:
            like = difflib.get_close_matches(key, [self.key(row) for row in range(min(len(self), 10_000))], n=3)
            hint = f"there are {', '.join(like)}" if like else "drivetrain data query finds samples"
            raise UsageError(f"data set {self.path} has no sample {key!r}", hint=hint)
        return int(found)

    def columns(self, row: int) -> Row:
        """The columns of a row, fetched as they are asked for."""
        return Row(self.table, self._at(row), self.column_names)

    def locate(self, row: int) -> dict[str, Place]:
        """Where each part of the sample in a row is."""
        return self._places.of(self._at(row))

    def read(self, row: int) -> Sample:
        """One whole sample, by its row. Raises SampleError: its bytes are damaged; it is named."""
        key = self.key(row)
        parts = {part: decode(part, data, where=f"{part} of {key}") for part, data in self.stored_parts(row).items()}
        return Sample(key, row, parts, self.columns(row))

    def read_encoded(self, row: int) -> Encoded:
        """One sample as it is stored; raises as `read` does."""
        key = self.key(row)
        return Encoded(key, self.stored_parts(row), dict(self.columns(row)))

    def stored_parts(self, row: int) -> dict[str, bytes]:
        """Every part as stored, checked; reads no more than the shard has, whatever the index says.

        Raises: SampleError: the bytes are damaged or gone. StoreError: a bucket does not answer.
        """
        return {part: self._bytes(row, part, place) for part, place in self.locate(row).items()}

    def will_need(self, rows: Iterable[int]) -> None:
        """Say which samples will be read soon; what is far is fetched meanwhile."""
        if self.far is not None:
            places = [place for row in rows for place in self.locate(row).values()]
            self.far.will_need([(place.shard, place.offset, place.size_bytes) for place in places])

    def close(self) -> None:
        """Let go of open shards and of what fetches far ones; reading again is allowed."""
        self._shards.close()

    def _bytes(self, row: int, part: str, place: Place) -> bytes:
        shard, offset, size_bytes, crc = place
        stored = self.manifest.files.get(shard)
        if stored is None or offset < 0 or not 0 <= size_bytes <= stored.size_bytes - offset:
            raise SampleError(f"the index says that sample {self.key(row)} is in {shard}, where it cannot be")
        data = self._shards.read(shard, offset, size_bytes)
        is_whole = crc32(data) == crc
        if not is_whole and self._shards.forget(shard, offset, size_bytes):
            data = self._shards.read(shard, offset, size_bytes)
            is_whole = crc32(data) == crc
        if not is_whole:
            what = f"{size_bytes} bytes at {offset} of {shard} changed"
            raise SampleError(f"{part} of {self.key(row)} is damaged: {what}")
        return data

    @cached_property
    def _shards(self) -> Shards:
        return self.far if self.far is not None else FolderShards(self.path)

    @cached_property
    def _places(self) -> Places:
        return Places(self.table, tuple(self.manifest.parts))

    def _refuse_unknown_word(self, word: str) -> None:
        if word.isidentifier() and word not in (*self.slices, *self.table.column_names):
            raise UsageError(
                f"data set {self.path} has no split, slice or column {word!r}",
                hint=f"its splits are {', '.join(self.manifest.num_samples)}"
                + (f"; its slices {', '.join(self.slices)}" if self.slices else ""),
            )

    def _at(self, row: int) -> int:
        if not 0 <= row < len(self):
            raise IndexError(f"row is {row}; data set {self.path} has {len(self)} samples")
        return int(row) if self.live is None else int(self.live[row])
