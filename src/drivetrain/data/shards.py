"""Write samples as tar shards with an index: equal samples give equal bytes."""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from drivetrain.data.fragment import FragmentWriter
from drivetrain.data.index import Place
from drivetrain.data.sample import Encoded
from drivetrain.store import StoredFile

_SHARD_BYTES = 64 << 20
DEFAULT_SPLIT = "train"


@dataclass(frozen=True, slots=True)
class Written:
    """What was written into a folder.

    Attributes:
      files: size and hash of every file by name.
      fragment: the file of the index.
      parts: name of each part of a sample -> its codec.
      num_samples: by split.
    """

    files: dict[str, StoredFile]
    fragment: str
    parts: dict[str, str]
    num_samples: dict[str, int]


@dataclass
class _Shard:
    path: Path
    file: BinaryIO
    tar: tarfile.TarFile


@dataclass
class ShardWriter:
    """Writes samples, in the order given, into shards of about `shard_bytes` in a folder, with an index beside them.

    Use: `with ShardWriter(folder) as writer: writer.add(...)`, then `writer.finish()`. Memory does not grow with the
    number of samples, but for eight bytes of each.

    Attributes:
      folder: an empty one.
      columns: Arrow types of columns by name; others are told from the first samples that have them.
      shard_bytes: a shard that has reached this many is closed.
      number: of the fragment of the index that is written.
      first_shard: number of the first shard.
    """

    folder: Path
    columns: Mapping[str, pa.DataType] = field(default_factory=dict)
    shard_bytes: int = _SHARD_BYTES
    number: int = 0
    first_shard: int = 0
    _num_shards: int = 0
    _open: _Shard | None = None
    _index: FragmentWriter = field(init=False)

    def __post_init__(self) -> None:
        self._index = FragmentWriter(self.folder / f"index-{self.number:05d}.arrow", self.columns)

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self._close_shard()
        self._index.close()

    def add(self, sample: Encoded) -> None:
        """Append one sample.

        Raises:
          OSError: the disk will not take it.
          DataError: a column or part is not of the kind that earlier samples have.
        """
        shard = self._current_shard()
        places = {
            part: Place(shard.path.name, _append(shard, f"{sample.key}.{part}", data), len(data), zlib.crc32(data))
            for part, data in sorted(sample.parts.items())
        }
        self._index.add(sample.key, shard.path.name, {"split": DEFAULT_SPLIT, **sample.columns}, places)

    def finish(self) -> Written:
        """Close the last shard and the index. Raises DataError: two samples have one key; else as `add` does."""
        self._close_shard()
        self._index.finish()
        files = {file.name: StoredFile.of(file) for file in sorted(self.folder.iterdir())}
        return Written(files, self._index.file.name, self._index.parts, self._index.num_samples)

    def _current_shard(self) -> _Shard:
        if self._open is not None and self._open.file.tell() >= self.shard_bytes:
            self._close_shard()
        if self._open is None:
            path = self.folder / f"shard-{self.first_shard + self._num_shards:05d}.tar"
            file = path.open("xb")
            self._open = _Shard(path, file, tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT))  # noqa: SIM115 - closed with the shard
            self._num_shards += 1
        return self._open

    def _close_shard(self) -> None:
        if self._open is not None:
            shard, self._open = self._open, None
            with shard.file:
                shard.tar.close()


def write_samples(
    folder: Path, samples: Iterable[Encoded], columns: Mapping[str, pa.DataType] | None = None
) -> Written:
    """Write all samples and their index into an empty folder; raises as `ShardWriter` does."""
    with ShardWriter(folder, columns or {}) as writer:
        for sample in samples:
            writer.add(sample)
        return writer.finish()


def _append(shard: _Shard, name: str, data: bytes) -> int:
    """Add one member with nothing in its header that depends on time or machine; where its bytes begin."""
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(data), 0o644, 0
    shard.tar.addfile(info, io.BytesIO(data))
    padded = -(-len(data) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
    return shard.file.tell() - padded
