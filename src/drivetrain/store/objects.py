"""Objects of a bucket by name, with patience: what does not answer is tried again, what is refused is told at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

from drivetrain.core.errors import StoreError, UsageError
from drivetrain.core.extras import require
from drivetrain.core.units import NS_PER_S, duration_text

logger = logging.getLogger(__name__)

T = TypeVar("T")
SCHEMES = ("s3", "gs", "az")
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 10.0


class Bucket:
    """A prefix in S3, Google Cloud Storage or Azure; credentials come from the environment. Any thread may call.

    What does not answer is tried again, at growing intervals, until `patience_s` have passed.
    """

    def __init__(self, address: str, patience_s: float) -> None:
        """Connects to nothing yet. Raises UsageError: this is no address."""
        self.address = address.rstrip("/")
        if "?" in address or "//" in self.address.partition("://")[2]:
            raise UsageError(
                f"{address} is no address in a bucket",
                hint="write s3://bucket/prefix; endpoint and credentials come from the environment (AWS_ENDPOINT_URL)",
            )
        self._patience_s = patience_s
        obstore_store = require("obstore.store", extra="buckets")
        self._obstore: Any = require("obstore", extra="buckets")
        scheme, _, rest = self.address.partition("://")
        bucket, _, prefix = rest.partition("/")
        self._prefix = prefix.strip("/")
        self._store: Any = obstore_store.from_url(
            f"{scheme}://{bucket}",
            client_options={"timeout": f"{max(patience_s, 1.0):.0f}s", "connect_timeout": "5s", "allow_http": True},
            retry_config={"max_retries": 0},
        )

    def names(self, under: str, error: type[StoreError] = StoreError) -> list[str]:
        """Of all objects whose name begins so."""
        prefix = self._key(under)

        def find() -> list[str]:
            return [meta["path"] for batch in self._obstore.list(self._store, prefix=prefix) for meta in batch]

        cut = len(self._prefix) + 1 if self._prefix else 0
        return [key[cut:] for key in self._tried(f"list {self.address}", find, error)]

    def put(self, name: str, data: memoryview | bytes, error: type[StoreError] = StoreError) -> None:
        """Write an object, whole or not at all."""
        self._tried(
            f"write {self.path(name)}",
            lambda: self._obstore.put(self._store, self._key(name), _chunks(data)),
            error,
        )

    def get(self, name: str) -> bytes | None:
        """An object, if it is there. Raises StoreError."""

        def get() -> bytes | None:
            try:
                return bytes(self._obstore.get(self._store, self._key(name)).bytes())
            except FileNotFoundError:
                return None

        return self._tried(f"read {self.path(name)}", get, StoreError)

    def size_bytes(self, name: str) -> int | None:
        """Of an object, if it is there. Raises StoreError."""

        def head() -> int | None:
            try:
                return int(self._obstore.head(self._store, self._key(name))["size"])
            except FileNotFoundError:
                return None

        return self._tried(f"read {self.path(name)}", head, StoreError)

    def get_range(self, name: str, begin: int, length: int) -> Any | None:
        """Bytes of an object as a buffer, if it is there; fewer where it ends before. Raises StoreError."""

        def get() -> Any | None:
            try:
                return self._obstore.get_range(self._store, self._key(name), start=begin, length=length)
            except FileNotFoundError:
                return None

        return self._tried(f"read {self.path(name)}", get, StoreError)

    def rename(self, name: str, other: str) -> None:
        """Move an object. Raises StoreError."""
        self._tried(
            f"move {self.path(name)}",
            lambda: self._obstore.rename(self._store, self._key(name), self._key(other)),
            StoreError,
        )

    def delete(self, name: str) -> None:
        """Remove an object; that it is not there is no error. Raises StoreError."""

        def act() -> None:
            with suppress(FileNotFoundError):
                self._obstore.delete(self._store, self._key(name))

        self._tried(f"delete {self.path(name)}", act, StoreError)

    def path(self, name: str) -> str:
        """Its URL."""
        return f"{self.address}/{name}"

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def _tried(self, what: str, act: Callable[[], T], error: type[StoreError]) -> T:
        """Try until it works, patience ends, or the answer will not change."""
        end, pause_s = time.monotonic() + self._patience_s, _FIRST_PAUSE_S
        while True:
            try:
                return act()
            except Exception as exc:  # noqa: BLE001 - obstore's errors have no useful root
                tried = duration_text(round(self._patience_s * NS_PER_S))
                if time.monotonic() + pause_s > end or _is_refusal(exc):
                    raise error(
                        f"cannot {what}: {_first_line(exc)}",
                        hint=f"tried for {tried}; is the bucket there, and may these credentials use it?",
                    ) from None  # the cause may show what a request carried
                if pause_s == _FIRST_PAUSE_S:
                    logger.warning("cannot %s: %s; trying again for %s", what, _first_line(exc), tried)
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


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
