"""Code by content: what is missing, what is sent, what agents read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection, insert, select

from drivetrain.compute.snapshot import Manifest, decode_manifest
from drivetrain.core.errors import DataError, StoreError
from drivetrain.server.database import tables
from drivetrain.store import publish_bytes

_HASH_CHARS = 64


class SnapshotShelf:
    """Manifests and contents in a folder, each under its hash."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, connection: Connection, snapshot: str) -> bool:
        """Whether it is there, whole."""
        table = tables.snapshots
        return connection.scalar(select(table.c.id).where(table.c.id == snapshot)) is not None

    def missing(self, hashes: Sequence[str]) -> list[str]:
        """Those contents that are not there. Raises: DataError: one is no hash."""
        return [sha256 for sha256 in hashes if not self._blob(sha256).is_file()]

    def put_blob(self, sha256: str, content: bytes) -> None:
        """Keep a content. Raises: DataError: it is not what its hash says."""
        path = self._blob(sha256)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise DataError(f"a content is not what its hash {sha256[:12]} says")
        if not path.is_file():
            publish_bytes(path, content)

    def blob(self, sha256: str) -> bytes:
        """A content. Raises: StoreError: there is none."""
        try:
            return self._blob(sha256).read_bytes()
        except OSError as exc:
            raise StoreError(f"there is no content {sha256[:12]}") from exc

    def put(self, connection: Connection, data: bytes, now_s: float) -> Manifest:
        """Take a manifest all of whose contents are there. Raises: DataError: it is none, or one is missing."""
        manifest = decode_manifest(data)
        missing = self.missing(sorted(manifest.hashes))
        if missing:
            raise DataError(f"{len(missing)} contents of the code have not been sent")
        if not self.has(connection, manifest.id):
            publish_bytes(self._manifest(manifest.id), manifest.encoded())
            connection.execute(insert(tables.snapshots), {"id": manifest.id, "made_s": now_s})
        return manifest

    def manifest(self, snapshot: str) -> bytes:
        """As it was sent. Raises: StoreError: there is none."""
        try:
            return self._manifest(snapshot).read_bytes()
        except OSError as exc:
            raise StoreError(f"there is no code {snapshot[:24]}") from exc

    def _blob(self, sha256: str) -> Path:
        _check_hash(sha256)
        return self._folder / "blobs" / sha256[:2] / sha256

    def _manifest(self, snapshot: str) -> Path:
        name = snapshot.removeprefix("snapshot-")
        _check_hash(name)
        return self._folder / "manifests" / f"{name}.json"


def _check_hash(text: str) -> None:
    if len(text) != _HASH_CHARS or not set(text) <= set("0123456789abcdef"):
        raise DataError(f"{text[:20]!r} is no hash")
