"""A data set on disk: plain tar shards, one Arrow index with a row per sample, and a manifest that names its inputs.

manifest.json      what it is, what it was made from, classes, counts, size and SHA-256 of every other file
index.arrow        one row per sample: key, split, shard, offset and size of each part, times, camera, tags
shard-00000.tar    KEY.jpg (image) and KEY.png (label map), one after the other
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

import msgspec
import numpy as np
import pyarrow as pa

from drivetrain.core.errors import DataError, SampleError
from drivetrain.data.arrays import Bytes, Ints
from drivetrain.data.jpeg import decode_jpeg, decode_labels
from drivetrain.data.log import Intrinsics
from drivetrain.store import StoredFile

FORMAT = 1
MANIFEST_FILE, INDEX_FILE = "manifest.json", "index.arrow"
Split = Literal["train", "held_out"]

_COLUMNS: dict[str, pa.DataType] = {
    "key": pa.string(),
    "split": pa.string(),
    "shard": pa.string(),
    "image_offset": pa.int64(),
    "image_bytes": pa.int64(),
    "image_crc32": pa.uint32(),
    "label_offset": pa.int64(),
    "label_bytes": pa.int64(),
    "label_crc32": pa.uint32(),
    "t_ns": pa.int64(),
    "lidar_offset_ns": pa.int64(),
    "camera": pa.string(),
    "fx": pa.float64(),
    "fy": pa.float64(),
    "cx": pa.float64(),
    "cy": pa.float64(),
    "width": pa.int32(),
    "height": pa.int32(),
    "tags": pa.list_(pa.string()),
}
SCHEMA = pa.schema(_COLUMNS)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a data set is and what it was made from.

    Attributes:
      version: hash of the content; equal for equal content, wherever and whenever it was made.
      inputs: name of each log -> hash of its content.
      classes: what label 0, 1, ... means; 255 is unlabelled.
      width, height: of images and label maps, in pixels.
      num_samples: by split.
      num_unmatched: frames with no labelled sweep within the tolerance.
      tolerance_ns: how far apart in time a frame and its sweep may be.
      labelled_pct: share of all pixels that have a label, in per cent.
      skipped: frame -> why it could not be used.
      unknown_classes: names in the source that the merge does not know; their points are unlabelled.
      files: every file but this one.
      format: version of this layout.
    """

    version: str
    inputs: dict[str, str]
    classes: tuple[str, ...]
    width: int
    height: int
    num_samples: dict[str, int]
    num_unmatched: int
    tolerance_ns: int
    labelled_pct: float
    skipped: dict[str, str]
    unknown_classes: tuple[str, ...]
    files: dict[str, StoredFile]
    format: int = FORMAT


@dataclass(frozen=True, eq=False)
class Sample:
    """One training example.

    Attributes:
      key: unique in the data set.
      image: RGB, uint8, H x W x 3.
      label: group per pixel, uint8, H x W; 255 is unlabelled.
      t_ns: when the frame was taken.
      lidar_offset_ns: stamp of its sweep minus `t_ns`.
      intrinsics: of the stored image.
    """

    key: str
    image: Bytes
    label: Bytes
    t_ns: int
    lidar_offset_ns: int
    intrinsics: Intrinsics


@dataclass(frozen=True, eq=False)
class DataSet:
    """An opened data set; any sample is one seek away, from any thread. Holds no file open but the mapped index.

    Attributes:
      path: its folder.
      manifest: what it is.
      index: the Arrow table, one row per sample, by time within each split.
    """

    path: Path
    manifest: Manifest
    index: pa.Table = field(repr=False)

    @classmethod
    def open(cls, path: Path | str, *, verify: bool = False) -> DataSet:
        """Open a data set and check that it is whole.

        Args:
          path: its folder.
          verify: also read every shard and compare its hash; without it shards are checked by size, and each sample by
            its own checksum when it is read.
        Raises: DataError: there is none, or a file is missing or not what the manifest says; the file is named.
        """
        path = Path(path)
        manifest = read_manifest(path)
        for name, stored in manifest.files.items():
            problem = stored.difference(path / name, with_hash=verify or name == INDEX_FILE)
            if problem:
                raise DataError(
                    f"{path / name} {problem}",
                    hint="the data set is not whole: make it again, or copy it again from where it was made",
                )
        try:
            with pa.memory_map(str(path / INDEX_FILE)) as source:
                index = pa.ipc.open_file(source).read_all()
        except (OSError, pa.ArrowInvalid) as exc:
            raise DataError(f"{path / INDEX_FILE} is not an Arrow file: {exc}") from exc
        if not index.schema.equals(SCHEMA):
            raise DataError(f"{path / INDEX_FILE} has columns {index.schema.names}, expected {SCHEMA.names}")
        return cls(path, manifest, index)

    def __len__(self) -> int:
        return int(self.index.num_rows)

    @property
    def classes(self) -> tuple[str, ...]:
        """What label 0, 1, ... means."""
        return self.manifest.classes

    def rows(self, split: Split) -> Ints:
        """Row numbers of a split, by time. Raises ValueError for a split that is not `train` or `held_out`."""
        if split not in ("train", "held_out"):
            raise ValueError(f"split is {split!r}; it must be 'train' or 'held_out'")
        return cast(Ints, np.flatnonzero(self.index["split"].to_numpy() == split).astype(np.int64))

    def samples(self, split: Split, *, start: int = 0, step: int = 1) -> Iterator[Sample]:
        """Samples of a split, by time, once: from number `start`, every `step`-th, so that ranks can share them.

        Raises: SampleError: one is damaged; a score that silently left it out would not be the split's.
        """
        for row in self.rows(split)[start::step]:
            yield self.read(int(row))

    def key(self, row: int) -> str:
        """What the sample in a row is called."""
        return cast(str, self.index["key"][row].as_py())

    def read(self, row: int) -> Sample:
        """One whole sample, by its row. Raises SampleError: its bytes are damaged; it is named."""
        values: Mapping[str, object] = self.index.slice(row, 1).to_pylist()[0]
        parts = {part: self._read_part(values, part) for part in ("image", "label")}
        key, names = str(values["key"]), ("fx", "fy", "cx", "cy", "width", "height")
        sample = Sample(
            key=key,
            image=decode_jpeg(parts["image"], where=f"image of {key}"),
            label=decode_labels(parts["label"], where=f"label of {key}"),
            t_ns=cast(int, values["t_ns"]),
            lidar_offset_ns=cast(int, values["lidar_offset_ns"]),
            intrinsics=Intrinsics(*(values[name] for name in names)),  # type: ignore[arg-type]  # the schema's numbers
        )
        size = (self.manifest.height, self.manifest.width)
        if sample.image.shape[:2] != size or sample.label.shape != size:
            raise SampleError(f"{key} has {sample.image.shape} and {sample.label.shape} pixels, expected {size}")
        return sample

    def _read_part(self, values: Mapping[str, object], part: str) -> bytes:
        offset, size = cast(int, values[f"{part}_offset"]), cast(int, values[f"{part}_bytes"])
        shard = self.path / str(values["shard"])
        try:
            with shard.open("rb", buffering=0) as file:
                data = os.pread(file.fileno(), size, offset)
        except OSError as exc:
            raise SampleError(f"{part} of {values['key']}: cannot read {shard}: {exc.strerror}") from exc
        if zlib.crc32(data) != values[f"{part}_crc32"]:
            raise SampleError(f"{part} of {values['key']} is damaged: {size} bytes at {offset} of {shard} changed")
        return data


def read_manifest(path: Path) -> Manifest:
    """The manifest of a data set's folder. Raises DataError: there is none, or it is not what we write."""
    file = path / MANIFEST_FILE
    try:
        manifest = msgspec.json.decode(file.read_bytes(), type=Manifest)
    except OSError as exc:
        hint = "make one: drivetrain data ingest LOG --out NAME"
        raise DataError(f"there is no data set at {path}: cannot read {file.name}: {exc.strerror}", hint=hint) from exc
    except msgspec.DecodeError as exc:
        raise DataError(f"{file} is not a data set's manifest: {exc}") from exc
    if manifest.format != FORMAT:
        raise DataError(f"{file} has format {manifest.format}; this version reads format {FORMAT}")
    return manifest
