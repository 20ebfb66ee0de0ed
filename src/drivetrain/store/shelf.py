"""Where a run's checkpoints stand: one seam for folders and buckets, and what is asked of either."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from drivetrain.core.errors import CheckpointIncomplete, CheckpointUnread, UsageError
from drivetrain.store.checkpoints import CheckpointManifest, LocalShelf

ELSEWHERE = "elsewhere"
"""A file in a run's folder of checkpoints that names the bucket where they are instead."""


class Reader(Protocol):
    """An open file of a checkpoint. Any thread may read."""

    size_bytes: int

    def read_into(self, begin: int, target: memoryview, /) -> None:
        """Fill `target` with the bytes from `begin` on. Raises OSError; EOFError: the file ends before."""
        ...

    def close(self) -> None:
        """Twice is fine."""
        ...


class Shelf(Protocol):
    """The checkpoints of one run. A checkpoint is either complete and listed, or unfinished and not seen by readers.

    One writer at a time begins, seals and deletes; all ranks put.
    """

    @property
    def address(self) -> str:
        """A folder or URL, without credentials."""
        ...

    def steps(self) -> list[int]:
        """Steps of complete checkpoints, ascending."""
        ...

    def manifest(self, step: int, /) -> CheckpointManifest:
        """Of a complete one. Raises CheckpointIncomplete: it is missing or is not what we write."""
        ...

    def begin(self, step: int, /) -> None:
        """Make room for a new one; what killed writers have left is removed. Raises CheckpointError: it cannot."""
        ...

    def put(self, step: int, name: str, data: memoryview | bytes, /) -> None:
        """Write a file of an unfinished one, durably, whole or not at all. Raises CheckpointError: it cannot."""
        ...

    def unfinished(self, step: int, name: str, /) -> bytes | None:
        """A file of an unfinished one, if it is there."""
        ...

    def seal(self, step: int, manifest: bytes, leftovers: Mapping[str, object], /) -> None:
        """Make an unfinished one complete: without the files of these names, with its manifest.

        Raises: CheckpointError: it cannot.
        """
        ...

    def drop_unfinished(self, step: int, /) -> None:
        """Remove what was written of one that is not going to be finished."""
        ...

    def set_aside(self, step: int, /) -> None:
        """Take a damaged one out of the way, keeping it for people to look at."""
        ...

    def delete(self, step: int, /) -> None:
        """Remove one; it vanishes from the list first. Failing is no error, but a warning in the log."""
        ...

    def path(self, step: int, name: str, /) -> str:
        """Where a file of a complete one is, for messages."""
        ...

    def open(self, step: int, name: str, /) -> Reader:
        """A file of a complete one. Raises OSError."""
        ...


def open_shelf(address: str, patience_s: float = 300.0) -> Shelf:
    """The shelf at a path or URL: `/mnt/runs/a`, `file:///mnt/runs/a`, `s3://bucket/prefix`, `gs://...`, `az://...`.

    Args:
      patience_s: how long to try a bucket that does not answer.
    Raises:
      UsageError: the address is of no kind we know.
      MissingExtraError: the package for buckets is not installed.
    """
    scheme, colon, rest = address.partition("://")
    if not colon:
        return LocalShelf(Path(address).absolute())
    if scheme == "file":
        return LocalShelf(Path("/" + rest.lstrip("/")))
    if scheme in ("s3", "gs", "az"):
        from drivetrain.store.buckets import BucketShelf

        return BucketShelf(address, patience_s)
    raise UsageError(f"{address} is no place for checkpoints", hint="write a path, file://, s3://, gs:// or az://")


def shelf_of(checkpoints: Path) -> Shelf:
    """The shelf of a run, given its folder of checkpoints, which may say that they are elsewhere."""
    try:
        return open_shelf((checkpoints / ELSEWHERE).read_text(encoding="utf-8").strip(), patience_s=20.0)
    except FileNotFoundError:
        return LocalShelf(checkpoints)


def newest_good(shelf: Shelf, *, on_bad: Callable[[CheckpointIncomplete], None]) -> CheckpointManifest | None:
    """The newest checkpoint with a readable manifest and finite weights, or None; tensors are not read.

    Each newer one is told to `on_bad` and set aside, so that it neither counts as one to keep nor stands in the way of
    a new one.

    Raises: CheckpointUnread: one that may be good cannot be read; it stays as it is.
    """
    for step in reversed(shelf.steps()):
        try:
            manifest = shelf.manifest(step)
            if manifest.finite:
                return manifest
            raise CheckpointIncomplete(f"checkpoint of step {step}: its weights are not finite")
        except CheckpointUnread:
            raise
        except CheckpointIncomplete as exc:
            on_bad(exc)
            shelf.set_aside(step)
    return None
