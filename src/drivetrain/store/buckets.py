"""Checkpoints in an object store: nothing is renamed there, so the manifest, written last, makes one visible."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from drivetrain.core.errors import CheckpointError, CheckpointIncomplete, StoreError
from drivetrain.core.extras import require
from drivetrain.core.units import NS_PER_S, duration_text
from drivetrain.store.checkpoints import (
    DAMAGED,
    MANIFEST,
    CheckpointManifest,
    decode_manifest,
    others_hint,
    step_name,
    step_of,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")
_LONGEST_PAUSE_S = 10.0


class BucketShelf:
    """A `store.shelf.Shelf` in S3, Google Cloud Storage or Azure; credentials come from the environment.

    What does not answer is tried again, at growing intervals, until `patience_s` have passed.
    """

    def __init__(self, address: str, patience_s: float) -> None:
        """Connects to nothing yet."""
        self._address = address.rstrip("/")
        self._patience_s = patience_s
        obstore_store = require("obstore.store", extra="buckets")
        self._obstore: Any = require("obstore", extra="buckets")
        scheme, _, rest = self._address.partition("://")
        bucket, _, prefix = rest.partition("/")
        self._prefix = prefix.strip("/")
        self._store: Any = obstore_store.from_url(
            f"{scheme}://{bucket}",
            client_options={"timeout": f"{max(patience_s, 1.0):.0f}s", "connect_timeout": "5s", "allow_http": True},
            retry_config={"max_retries": 0},
        )

    @property
    def address(self) -> str:
        """The URL."""
        return self._address

    def steps(self) -> list[int]:
        """Steps of complete checkpoints, ascending. Raises StoreError."""
        found = (key.split("/") for key in self._keys(""))
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
        keys = self._keys("", CheckpointError)
        complete = {key.split("/")[0] for key in keys if key.endswith(f"/{MANIFEST}")}
        for key in keys:
            name = key.split("/")[0]
            if step_of(name) is not None and name not in complete:
                self._delete(key)
        if step_name(step) in complete:
            raise CheckpointError(f"there is a checkpoint of step {step} in {self._address} already")

    def put(self, step: int, name: str, data: memoryview | bytes) -> None:
        """Write an object, whole or not at all. Raises CheckpointError."""
        key = self._key(f"{step_name(step)}/{name}")
        self._tried(
            f"write {self.path(step, name)}",
            lambda: self._obstore.put(self._store, key, _chunks(data)),
            CheckpointError,
        )

    def unfinished(self, step: int, name: str) -> bytes | None:
        """An object, if it is there. Raises StoreError."""
        key = self._key(f"{step_name(step)}/{name}")

        def get() -> bytes | None:
            try:
                return bytes(self._obstore.get(self._store, key).bytes())
            except FileNotFoundError:
                return None

        return self._tried(f"read {self.path(step, name)}", get, StoreError)

    def seal(self, step: int, manifest: bytes, leftovers: Mapping[str, object]) -> None:
        """Make one complete by its manifest; the objects of these names go. Raises CheckpointError."""
        self.put(step, MANIFEST, manifest)
        for name in leftovers:
            self._delete(f"{step_name(step)}/{name}")

    def drop_unfinished(self, step: int) -> None:
        """Remove what was written of one that is not going to be finished."""
        try:
            keys = self._keys(f"{step_name(step)}/")
        except StoreError as exc:
            logger.warning("what is left of step %s stays: %s", step, exc.message)
            return
        if f"{step_name(step)}/{MANIFEST}" not in keys:
            for key in keys:
                self._delete(key)

    def set_aside(self, step: int) -> None:
        """Move its objects, the manifest first, to `step-00000050.damaged`: it does not count any more."""
        keys = self._keys(f"{step_name(step)}/")
        for key in sorted(keys, key=lambda key: not key.endswith(f"/{MANIFEST}")):
            moved = f"{step_name(step)}{DAMAGED}/{key.partition('/')[2]}"

            def move(key: str = key, moved: str = moved) -> None:
                self._obstore.rename(self._store, self._key(key), self._key(moved))

            self._tried(f"set aside {key}", move, StoreError)

    def delete(self, step: int) -> None:
        """Remove one; its manifest goes first."""
        self._delete(f"{step_name(step)}/{MANIFEST}")
        self.drop_unfinished(step)

    def path(self, step: int, name: str) -> str:
        """Its URL."""
        return f"{self._address}/{step_name(step)}/{name}"

    def open(self, step: int, name: str) -> BucketReader:
        """An object of a complete one. Raises OSError."""
        key = self._key(f"{step_name(step)}/{name}")

        def head() -> int | None:
            try:
                return int(self._obstore.head(self._store, key)["size"])
            except FileNotFoundError:
                return None

        try:
            size_bytes = self._tried(f"read {name}", head, StoreError)
        except StoreError as exc:
            raise OSError(0, exc.message) from exc
        if size_bytes is None:
            raise FileNotFoundError(errno.ENOENT, "it is missing", self.path(step, name))
        return BucketReader(self, key, size_bytes)

    def read_range(self, key: str, begin: int, length: int) -> Any:
        """Bytes of an object, as a buffer. Raises StoreError."""
        return self._tried(
            f"read {key}", lambda: self._obstore.get_range(self._store, key, start=begin, length=length), StoreError
        )

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def _keys(self, under: str, error: type[StoreError] = StoreError) -> list[str]:
        prefix = self._key(under)

        def find() -> list[str]:
            return [meta["path"] for batch in self._obstore.list(self._store, prefix=prefix) for meta in batch]

        cut = len(self._prefix) + 1 if self._prefix else 0
        return [key[cut:] for key in self._tried(f"list {self._address}", find, error)]

    def _delete(self, name: str) -> None:
        def act() -> None:
            with suppress(FileNotFoundError):
                self._obstore.delete(self._store, self._key(name))

        try:
            self._tried(f"delete {name}", act, StoreError)
        except StoreError as exc:
            logger.warning("%s could not be deleted: %s", name, exc.message)

    def _tried(self, what: str, act: Callable[[], T], error: type[StoreError]) -> T:
        """Try until it works, patience ends, or the answer will not change."""
        end, pause_s = time.monotonic() + self._patience_s, 0.1
        while True:
            try:
                return act()
            except Exception as exc:  # noqa: BLE001 - obstore's errors have no useful root
                if time.monotonic() + pause_s > end or _is_refusal(exc):
                    tried = duration_text(round(self._patience_s * NS_PER_S))
                    raise error(
                        f"cannot {what}: {_first_line(exc)}",
                        hint=f"tried for {tried}; is the bucket there, and may these credentials use it?",
                    ) from None  # the cause may show what a request carried
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


class BucketReader:
    """An object, read by ranges. Any thread may read."""

    def __init__(self, shelf: BucketShelf, key: str, size_bytes: int) -> None:
        self._shelf = shelf
        self._key = key
        self.size_bytes = size_bytes

    def read_into(self, begin: int, target: memoryview) -> None:
        """Fill `target` with the bytes from `begin` on. Raises OSError, also when the object ends before."""
        try:
            found = memoryview(self._shelf.read_range(self._key, begin, len(target)))
        except StoreError as exc:
            raise OSError(0, exc.message) from exc
        if len(found) != len(target):
            raise OSError(0, "it ends too early")
        target[:] = found

    def close(self) -> None:
        """Nothing: a range is a request of its own."""


def _chunks(data: memoryview | bytes) -> Iterator[bytes]:
    view = memoryview(data)
    for start in range(0, len(view), 8 << 20):
        yield bytes(view[start : start + (8 << 20)])


def _is_refusal(exc: Exception) -> bool:
    """Whether the store has answered, and the answer will not change."""
    return isinstance(exc, FileNotFoundError) or type(exc).__name__ in (
        "PermissionDeniedError",
        "UnauthenticatedError",
        "NotSupportedError",
        "InvalidPathError",
    )


def _first_line(exc: Exception) -> str:
    return str(exc).strip().splitlines()[0][:300] if str(exc).strip() else type(exc).__name__
