"""Bytes by key under a folder of the local disk: what buckets will offer too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from drivetrain.core.errors import StoreError
from drivetrain.store.publish import INCOMPLETE, publish_bytes


@dataclass(frozen=True, slots=True)
class LocalBlobs:
    """A `core.protocols.BlobStore` whose keys are files under `root`.

    Every call raises ValueError for a key that is no relative POSIX path or that leads out of the root.
    """

    root: Path

    def put(self, key: str, data: bytes) -> None:
        """Write durably, replacing what was there. Raises StoreError when it cannot, leaving the old value."""
        publish_bytes(self.local_path(key), data)

    def get(self, key: str) -> bytes:
        """The bytes. Raises StoreError when there are none."""
        path = self.local_path(key)
        try:
            return path.read_bytes()
        except OSError as exc:
            raise StoreError(f"cannot read {path}: {exc.strerror}") from exc

    def list(self, prefix: str = "") -> list[str]:
        """Keys under a folder, sorted; what is being written is not among them."""
        folder = self.local_path(prefix) if prefix else self.root
        files = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(INCOMPLETE))
        return sorted(path.relative_to(self.root).as_posix() for path in files)

    def delete(self, key: str) -> None:
        """Remove; a key that is absent is not an error. Raises StoreError when it cannot."""
        path = self.local_path(key)
        try:
            path.unlink(missing_ok=True)
        except OSError as exc:
            raise StoreError(f"cannot remove {path}: {exc.strerror}") from exc

    def local_path(self, key: str) -> Path:
        """The file of a key, whether it is there or not."""
        parts = PurePosixPath(key).parts
        if not parts or ".." in parts or PurePosixPath(key).is_absolute() or key.endswith(INCOMPLETE):
            raise ValueError(
                f"{key!r} is no key: it must be a relative path without '..' that does not leave its store"
            )
        return self.root.joinpath(*parts)
