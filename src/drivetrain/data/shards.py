"""Write samples as tar shards with an index: equal samples give equal bytes."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from drivetrain.data.dataset import INDEX_FILE, MANIFEST_FILE, SCHEMA, Manifest
from drivetrain.store import StoredFile, manifest_json, publish_bytes

_SHARD_BYTES = 64 << 20
_MEMBERS = {"image": ".jpg", "label": ".png"}


@dataclass(frozen=True, slots=True)
class Encoded:
    """A sample as bytes, and the columns of its row that do not depend on where the bytes go.

    Attributes:
      key: unique; at most 90 characters, so that it fits a plain tar header.
      parts: `image` and `label` -> file content.
      columns: the rest of the index's row.
    """

    key: str
    parts: Mapping[str, bytes]
    columns: Mapping[str, object]


@dataclass
class _Shard:
    path: Path
    file: BinaryIO
    tar: tarfile.TarFile


@dataclass
class ShardWriter:
    """Writes samples, in the order given, into shards of about `shard_bytes` in a folder, then the index beside them.

    Use: `with ShardWriter(folder) as writer: writer.add(...)`, then `writer.finish()` for the files' hashes.
    """

    folder: Path
    shard_bytes: int = _SHARD_BYTES
    rows: list[dict[str, object]] = field(default_factory=list)
    _num_shards: int = 0
    _open: _Shard | None = None

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self._close_shard()

    def add(self, sample: Encoded) -> None:
        """Append one sample; raises OSError when the disk will not take it."""
        shard = self._current_shard()
        row: dict[str, object] = {"key": sample.key, "shard": shard.path.name, **sample.columns}
        for part, data in sorted(sample.parts.items()):
            row |= {
                f"{part}_offset": _append(shard, sample.key + _MEMBERS[part], data),
                f"{part}_bytes": len(data),
                f"{part}_crc32": zlib.crc32(data),
            }
        self.rows.append(row)

    def finish(self) -> dict[str, StoredFile]:
        """Close the last shard, write the index; size and hash of every file by name."""
        self._close_shard()
        table = pa.Table.from_pylist(self.rows, schema=SCHEMA)
        with pa.OSFile(str(self.folder / INDEX_FILE), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
            writer.write_table(table)
        files = sorted(self.folder.iterdir())
        return {file.name: StoredFile.of(file) for file in files}

    def _current_shard(self) -> _Shard:
        if self._open is not None and self._open.file.tell() >= self.shard_bytes:
            self._close_shard()
        if self._open is None:
            path = self.folder / f"shard-{self._num_shards:05d}.tar"
            file = path.open("wb")
            self._open = _Shard(path, file, tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT))  # noqa: SIM115 - closed with the shard
            self._num_shards += 1
        return self._open

    def _close_shard(self) -> None:
        if self._open is not None:
            shard, self._open = self._open, None
            with shard.file:
                shard.tar.close()


def content_version(files: Mapping[str, StoredFile]) -> str:
    """Sixteen hex digits that name the content of these files."""
    return hashlib.sha256("".join(f"{name} {files[name].sha256}\n" for name in sorted(files)).encode()).hexdigest()[:16]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json`, readable by people."""
    publish_bytes(folder / MANIFEST_FILE, manifest_json(manifest))


def write_samples(folder: Path, samples: Iterable[Encoded]) -> dict[str, StoredFile]:
    """Write all samples and the index into an empty folder; size and hash of every file by name. Raises OSError."""
    with ShardWriter(folder) as writer:
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
