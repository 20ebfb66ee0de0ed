"""A manifest and its blobs -> a folder, whole or not at all."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from drivetrain.compute.snapshot.manifest import Manifest
from drivetrain.core.errors import DataError, StoreError

_MUCH_BYTES = 1 << 20


def unpack(manifest: Manifest, folder: Path, read: Callable[[str], bytes]) -> None:
    """Write the files of a snapshot; nothing is done where the folder is there already.

    Several processes may do so at once, on one disk: one of them writes and the others wait.

    Args:
      folder: to make.
      read: gives the content of a hash.
    Raises: DataError: a content is not what its hash says. StoreError: the disk would not take it.
    """
    from drivetrain.store import sync_files

    aside = folder.with_name(f"{folder.name}.incomplete")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_name(f"{folder.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.is_dir():
                return
            if aside.exists():  # of a writer that was killed
                import shutil

                shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            _write(manifest, aside, read)
            sync_files([aside / entry.path for entry in manifest.entries if not entry.link])
            aside.rename(folder)
    except OSError as exc:
        raise StoreError(f"cannot unpack the code into {folder}: {exc.strerror}", hint="is the disk full?") from exc


def _write(manifest: Manifest, folder: Path, read: Callable[[str], bytes]) -> None:
    for entry in manifest.entries:
        path = folder / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.link:
            path.symlink_to(entry.link)
            continue
        content = read(entry.sha256)
        if _sha256_of(content) != entry.sha256:
            raise DataError(f"the content of {entry.path} is not what was sent")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        descriptor = os.open(path, flags, 0o755 if entry.is_executable else 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)


def _sha256_of(content: bytes) -> str:
    """In hex; of little without OpenSSL, which takes longer to load than most code to hash."""
    if len(content) > _MUCH_BYTES:
        from hashlib import sha256
    else:
        try:
            from _sha2 import sha256  # type: ignore[import-not-found, no-redef]  # since Python 3.12
        except ImportError:
            from _sha256 import sha256  # type: ignore[import-not-found, no-redef]
    return sha256(content).hexdigest()
