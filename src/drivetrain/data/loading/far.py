"""Data sets in buckets: the index is copied once, shards are read by pieces through a cache on the local disk."""

from __future__ import annotations

import hashlib
import threading
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from drivetrain.core.errors import DataError, SampleError, StoreError
from drivetrain.data.dataset import DataSet
from drivetrain.data.loading.cache import PieceCache
from drivetrain.data.loading.crew import Crew
from drivetrain.data.manifest import MANIFEST_FILE, VERSIONS_FOLDER, Manifest, read_manifest
from drivetrain.store import StoredFile, home, publish_bytes
from drivetrain.store.objects import SCHEMES, Bucket

_PIECE_BYTES = 1 << 20
_CACHE_BYTES = 16 << 30
_NUM_FETCHING = 8
_PATIENCE_S = 60.0


def open_dataset(
    address: Path | str,
    version: str | None = None,
    *,
    cache: PieceCache | None = None,
    patience_s: float = _PATIENCE_S,
) -> DataSet:
    """Open a data set in a folder or a bucket.

    Args:
      address: a folder, or a URL like `s3://bucket/street`.
      version: an id, or its first digits; the current version by default.
      cache: for pieces of shards from a bucket; by default 16 GiB in the home. The index is kept beside, in full.
      patience_s: how long a bucket that does not answer is asked again.
    Raises: DataError: there is none, or it is not whole. StoreError: the bucket does not answer, or refuses.
    """
    scheme = str(address).partition("://")[0]
    if scheme not in SCHEMES or "://" not in str(address):
        return DataSet.open(address, version)
    bucket = Bucket(str(address), patience_s)
    used = cache if cache is not None else PieceCache(home() / "cache", _CACHE_BYTES)
    folder = used.folder / "indexes" / hashlib.sha256(bucket.address.encode()).hexdigest()[:16]
    manifest = _copy_index(bucket, folder, version)
    return DataSet.over(folder, manifest, FarShards(bucket, manifest.files, used))


def _copy_index(bucket: Bucket, folder: Path, version: str | None) -> Manifest:
    """Bring manifest and index to the local disk; what is there already is not fetched again."""
    _fetch(bucket, MANIFEST_FILE, folder)
    if version is not None:
        for name in bucket.names(VERSIONS_FOLDER):
            if name.startswith(f"{VERSIONS_FOLDER}/{version}") and Path(name).parent == Path(VERSIONS_FOLDER):
                _fetch(bucket, name, folder)
    manifest = read_manifest(folder, version)
    for name, stored in manifest.files.items():
        if not name.endswith(".tar") and stored.difference(folder / name, with_hash=True):
            _fetch(bucket, name, folder)
            problem = stored.difference(folder / name, with_hash=True)
            if problem:
                raise DataError(f"{bucket.path(name)} {problem}", hint="the data set is not whole: copy it there again")
    return manifest


def _fetch(bucket: Bucket, name: str, folder: Path) -> None:
    data = bucket.get(name)
    if data is None:
        raise DataError(f"there is no data set at {bucket.address}: {name} is missing")
    publish_bytes(folder / name, data)


class FarShards:
    """`shards.Shards` in a bucket."""

    def __init__(self, bucket: Bucket, files: Mapping[str, StoredFile], cache: PieceCache) -> None:
        """Starts nothing yet; `files` are the data set's, by name."""
        self._bucket, self._files, self._cache = bucket, files, cache
        self._lock = threading.RLock()  # a finalizer may come while this thread holds it
        self._crew: Crew | None = None
        self._coming: set[tuple[str, int]] = set()

    def read(self, shard: str, offset: int, num_bytes: int) -> bytes:
        """Bytes of a shard. Raises SampleError: the object is gone or shorter. StoreError: the bucket is not there."""
        numbers = _pieces_of(offset, num_bytes)
        pieces = [self._piece(shard, number) for number in numbers]
        whole = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        begin = offset - numbers[0] * _PIECE_BYTES
        return whole[begin : begin + num_bytes]

    def forget(self, shard: str, offset: int, num_bytes: int) -> bool:
        """Drop the pieces; what the bucket has may be right."""
        for number in _pieces_of(offset, num_bytes):
            self._cache.forget(self._name(shard, number))
        return True

    def will_need(self, wanted: Sequence[tuple[str, int, int]]) -> None:
        """Fetch in threads what is not there."""
        pieces = dict.fromkeys((shard, number) for shard, *span in wanted for number in _pieces_of(*span))
        absent = [piece for piece in pieces if not self._cache.has(self._name(*piece))]
        with self._lock:
            absent = [piece for piece in absent if piece not in self._coming]
            self._coming.update(absent)
            if absent and self._crew is None:
                self._crew = Crew(_NUM_FETCHING, "drivetrain-loader-fetch")
                weakref.finalize(self, self._crew.stop)
            if self._crew is not None:
                self._crew.do(partial(_bring, weakref.ref(self), piece) for piece in absent)

    def close(self) -> None:
        """End the threads."""
        with self._lock:
            crew, self._crew = self._crew, None
            self._coming.clear()
        if crew is not None:
            crew.stop()

    def _bring(self, piece: tuple[str, int]) -> None:
        with suppress(SampleError, StoreError):  # told to whoever reads it
            self._piece(*piece)
        with self._lock:
            self._coming.discard(piece)

    def _piece(self, shard: str, number: int) -> bytes:
        begin = number * _PIECE_BYTES
        num_bytes = min(_PIECE_BYTES, self._files[shard].size_bytes - begin)

        def fetch() -> bytes:
            data = self._bucket.get_range(shard, begin, num_bytes)
            if data is None or len(data) != num_bytes:
                what = "is missing" if data is None else f"ends before {begin + num_bytes} bytes"
                raise SampleError(f"{self._bucket.path(shard)} {what}")
            return bytes(data)

        return self._cache.get(self._name(shard, number), num_bytes, fetch)

    def _name(self, shard: str, number: int) -> str:
        return f"{self._files[shard].sha256[:32]}-{number:06d}"


def _bring(owner: weakref.ref[FarShards], piece: tuple[str, int], _thread: int) -> None:
    """Fetch a piece, if anybody is left to read it: a thread must not be what keeps its owner alive."""
    shards = owner()
    if shards is not None:
        shards._bring(piece)


def _pieces_of(offset: int, num_bytes: int) -> range:
    """Numbers of the pieces that hold these bytes."""
    return range(offset // _PIECE_BYTES, (offset + max(num_bytes, 1) - 1) // _PIECE_BYTES + 1)
