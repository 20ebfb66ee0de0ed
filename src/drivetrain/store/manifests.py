"""What manifests are made of: values as JSON that people can read, files as their size and SHA-256."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct


class StoredFile(Struct, frozen=True):
    """Size and content of one file, as a manifest names it."""

    size_bytes: int
    sha256: str

    @classmethod
    def of(cls, file: Path) -> StoredFile:
        """Those of a file just written; reads all of it, raises OSError."""
        return cls(file.stat().st_size, file_hash(file))

    def difference(self, file: Path, *, with_hash: bool = True) -> str:
        """What is wrong with a file that should be this one, in words to follow its name; empty when nothing is.

        Args:
          with_hash: read all of it; without, only its size is compared.
        """
        try:
            size_bytes = file.stat().st_size
            if size_bytes != self.size_bytes:
                return f"has {size_bytes} bytes; the manifest says {self.size_bytes}"
            if with_hash and file_hash(file) != self.sha256:
                return "was altered: its SHA-256 is not the one in the manifest"
        except FileNotFoundError:
            return "is missing"
        except OSError as exc:
            return f"cannot be read: {exc.strerror}"
        return ""


def file_hash(path: Path) -> str:
    """SHA-256 of a file's content, as hex."""
    with path.open("rb") as file:
        import hashlib

        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest_json(manifest: object) -> bytes:
    """A manifest as the content of its file."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"
