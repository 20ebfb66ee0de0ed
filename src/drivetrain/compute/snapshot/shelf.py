"""Manifests and contents in a folder, each under its hash: where a server keeps code, and agents that see it read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from drivetrain.compute.snapshot.manifest import Manifest, decode_manifest
from drivetrain.core.errors import DataError, StoreError

_HASH = re.compile("[0-9a-f]{64}")
_MOST_REMEMBERED = 16


class CodeShelf:
    """Code by content. Safe to use from several threads, and from several processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._hashes: dict[str, frozenset[str]] = {}

    def missing(self, hashes: Iterable[str]) -> list[str]:
        """Those contents that are not there. Raises: DataError: one is no hash."""
        return [sha256 for sha256 in hashes if not os.path.isfile(self._blob_name(sha256))]  # noqa: PTH113 - of many

    def put_blob(self, sha256: str, content: bytes) -> None:
        """Keep a content; it is durable when its manifest is. Raises: DataError: it is not what its hash says."""
        import hashlib

        from drivetrain.store import publish_quickly

        path = self._blob(sha256)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise DataError(f"a content is not what its hash {sha256[:12]} says")
        if not path.is_file():
            publish_quickly(path, content)

    def blob(self, sha256: str) -> bytes:
        """A content. Raises: StoreError: there is none."""
        try:
            return self._blob(sha256).read_bytes()
        except OSError as exc:
            raise StoreError(f"there is no content {sha256[:12]}") from exc

    def put(self, manifest: Manifest) -> None:
        """Keep a manifest all of whose contents are there. Raises: DataError: one is missing."""
        from drivetrain.store import publish_bytes, sync_files

        if missing := self.missing(sorted(manifest.hashes)):
            raise DataError(f"{len(missing)} contents of the code have not been sent")
        sync_files([Path(self._blob_name(sha256)) for sha256 in manifest.hashes])
        publish_bytes(self._manifest(manifest.id), manifest.encoded())

    def manifest(self, snapshot: str) -> bytes:
        """As it was sent. Raises: StoreError: there is none."""
        try:
            return self._manifest(snapshot).read_bytes()
        except OSError as exc:
            raise StoreError(f"there is no code {snapshot[:24]}") from exc

    def hashes(self, snapshot: str) -> frozenset[str]:
        """Of all contents of a manifest. Raises: StoreError: there is none."""
        found = self._hashes.get(snapshot)
        if found is None:
            found = frozenset(decode_manifest(self.manifest(snapshot)).hashes)
            if len(self._hashes) >= _MOST_REMEMBERED:
                self._hashes.clear()
            self._hashes[snapshot] = found
        return found

    def _blob(self, sha256: str) -> Path:
        return Path(self._blob_name(sha256))

    def _blob_name(self, sha256: str) -> str:
        _check_hash(sha256)
        return f"{self._folder}/blobs/{sha256[:2]}/{sha256}"

    def _manifest(self, snapshot: str) -> Path:
        name = snapshot.removeprefix("snapshot-")
        _check_hash(name)
        return self._folder / "manifests" / f"{name}.json"


def _check_hash(text: str) -> None:
    if not _HASH.fullmatch(text):
        raise DataError(f"{text[:20]!r} is no hash")
