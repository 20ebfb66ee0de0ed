"""A manifest and its blobs -> a folder, whole or not at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from drivetrain.compute.snapshot.manifest import Manifest
from drivetrain.core.errors import DataError, StoreError
from drivetrain.store import publish_folder


def unpack(manifest: Manifest, folder: Path, read: Callable[[str], bytes]) -> None:
    """Write the files of a snapshot; nothing is done where the folder is there already.

    Args:
      folder: to make.
      read: gives the content of a hash.
    Raises: DataError: a content is not what its hash says. StoreError: the disk would not take it.
    """
    if folder.is_dir():
        return
    try:
        with publish_folder(folder) as aside:
            for entry in manifest.entries:
                path = aside / entry.path
                path.parent.mkdir(parents=True, exist_ok=True)
                if entry.link:
                    path.symlink_to(entry.link)
                    continue
                content = read(entry.sha256)
                if hashlib.sha256(content).hexdigest() != entry.sha256:
                    raise DataError(f"the content of {entry.path} is not what was sent")
                descriptor = os.open(
                    path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755 if entry.is_executable else 0o644
                )
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
    except StoreError:
        if not folder.is_dir():  # else another agent of this machine was quicker
            raise
