"""Checkpoints in an object store: nothing is renamed there, so the manifest, written last, makes one visible."""

from __future__ import annotations

import errno
import logging
from collections.abc import Mapping

from drivetrain.core.errors import CheckpointError, CheckpointIncomplete, StoreError
from drivetrain.store.checkpoints import (
    DAMAGED,
    MANIFEST,
    CheckpointManifest,
    decode_manifest,
    others_hint,
    step_name,
    step_of,
)
from drivetrain.store.objects import Bucket

logger = logging.getLogger(__name__)


class BucketShelf:
    """A `store.shelf.Shelf` in S3, Google Cloud Storage or Azure; credentials come from the environment.

    What does not answer is tried again, at growing intervals, until `patience_s` have passed.
    """

    def __init__(self, address: str, patience_s: float) -> None:
        """Connects to nothing yet."""
        self._bucket = Bucket(address, patience_s)

    @property
    def address(self) -> str:
        """The URL."""
        return self._bucket.address

    def steps(self) -> list[int]:
        """Steps of complete checkpoints, ascending. Raises StoreError."""
        found = (key.split("/") for key in self._bucket.names(""))
        steps = {step_of(parts[0]) for parts in found if len(parts) == 2 and parts[1] == MANIFEST}
        return sorted(step for step in steps if step is not None)

    def manifest(self, step: int) -> CheckpointManifest:
        """Of a complete one. Raises CheckpointIncomplete: it is missing or is not what we write."""
        content = self.unfinished(step, MANIFEST)
        where = self.path(step, MANIFEST)
        if content is None:
            raise CheckpointIncomplete(f"{where} is missing", hint=others_hint(self.steps(), step))
        return decode_manifest(content, where, others_hint(self.steps(), step))

    def begin(self, step: int) -> None:
        """Remove what killed writers have left. Raises CheckpointError."""
        keys = self._bucket.names("", CheckpointError)
        complete = {key.split("/")[0] for key in keys if key.endswith(f"/{MANIFEST}")}
        for key in keys:
            name = key.split("/")[0]
            if step_of(name) is not None and name not in complete:
                self._delete(key)
        if step_name(step) in complete:
            raise CheckpointError(f"there is a checkpoint of step {step} in {self.address} already")

    def put(self, step: int, name: str, data: memoryview | bytes) -> None:
        """Write an object, whole or not at all. Raises CheckpointError."""
        self._bucket.put(f"{step_name(step)}/{name}", data, CheckpointError)

    def unfinished(self, step: int, name: str) -> bytes | None:
        """An object, if it is there. Raises StoreError."""
        return self._bucket.get(f"{step_name(step)}/{name}")

    def seal(self, step: int, manifest: bytes, leftovers: Mapping[str, object]) -> None:
        """Make one complete by its manifest; the objects of these names go. Raises CheckpointError."""
        self.put(step, MANIFEST, manifest)
        for name in leftovers:
            self._delete(f"{step_name(step)}/{name}")

    def drop_unfinished(self, step: int) -> None:
        """Remove what was written of one that is not going to be finished."""
        try:
            keys = self._bucket.names(f"{step_name(step)}/")
        except StoreError as exc:
            logger.warning("what is left of step %s stays: %s", step, exc.message)
            return
        if f"{step_name(step)}/{MANIFEST}" not in keys:
            for key in keys:
                self._delete(key)

    def set_aside(self, step: int) -> None:
        """Move its objects, the manifest first, to `step-00000050.damaged`: it does not count any more."""
        keys = self._bucket.names(f"{step_name(step)}/")
        for key in sorted(keys, key=lambda key: not key.endswith(f"/{MANIFEST}")):
            self._bucket.rename(key, f"{step_name(step)}{DAMAGED}/{key.partition('/')[2]}")

    def delete(self, step: int) -> None:
        """Remove one; its manifest goes first."""
        self._delete(f"{step_name(step)}/{MANIFEST}")
        self.drop_unfinished(step)

    def path(self, step: int, name: str) -> str:
        """Its URL."""
        return self._bucket.path(f"{step_name(step)}/{name}")

    def open(self, step: int, name: str) -> BucketReader:
        """An object of a complete one. Raises OSError."""
        key = f"{step_name(step)}/{name}"
        try:
            size_bytes = self._bucket.size_bytes(key)
        except StoreError as exc:
            raise OSError(0, exc.message) from exc
        if size_bytes is None:
            raise FileNotFoundError(errno.ENOENT, "it is missing", self.path(step, name))
        return BucketReader(self._bucket, key, size_bytes)

    def _delete(self, name: str) -> None:
        try:
            self._bucket.delete(name)
        except StoreError as exc:
            logger.warning("%s could not be deleted: %s", name, exc.message)


class BucketReader:
    """An object, read by ranges. Any thread may read."""

    def __init__(self, bucket: Bucket, key: str, size_bytes: int) -> None:
        self._bucket = bucket
        self._key = key
        self.size_bytes = size_bytes

    def read_into(self, begin: int, target: memoryview) -> None:
        """Fill `target` with the bytes from `begin` on. Raises OSError; EOFError: the object ends before."""
        try:
            found = self._bucket.get_range(self._key, begin, len(target))
        except StoreError as exc:
            raise OSError(0, exc.message) from exc
        if found is None:
            raise FileNotFoundError(errno.ENOENT, "it is missing", self._bucket.path(self._key))
        if len(found) != len(target):
            raise EOFError
        target[:] = found

    def close(self) -> None:
        """Nothing: a range is a request of its own."""
