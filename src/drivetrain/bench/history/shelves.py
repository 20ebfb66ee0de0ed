"""Where a history lies: a folder with a file of lines for each suite, or a bucket with an object for each session."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from drivetrain.bench.results import Reading, Result, joined, read_results, result_line
from drivetrain.core.errors import DataError, StoreError, UsageError
from drivetrain.store import DISK_HINT
from drivetrain.store.objects import SCHEMES, Bucket

DEFAULT = "benchmarks/results"
"""Under the working directory, unless another history is named."""

_ENDING = ".jsonl"
_PATIENCE_S = 60.0
_LONGEST_LINE_BYTES = 64 << 20


class History(Protocol):
    """Results of earlier sessions; only ever appended to."""

    @property
    def address(self) -> str:
        """A folder or URL, without credentials."""
        ...

    def read(self) -> Reading:
        """Everything, by time. Raises DataError or StoreError: it cannot be read at all."""
        ...

    def append(self, results: Sequence[Result], /) -> None:
        """Add results durably. Raises StoreError: it cannot."""
        ...


def open_history(address: str) -> History:
    """The history at a folder, a single file, or the URL of a prefix in a bucket; nothing is made yet.

    Raises: UsageError: the URL is of a kind that we do not know.
    """
    scheme, separator, _ = address.partition("://")
    if not separator:
        return FolderHistory(Path(address))
    if scheme not in SCHEMES:
        known = ", ".join(f"{known}://" for known in SCHEMES)
        raise UsageError(f"{address} is no history: {scheme}:// is not known", hint=f"a folder, or a URL of {known}")
    return BucketHistory(address)


class FolderHistory:
    """A `History` in `SUITE.jsonl` files under a folder, or in one file."""

    def __init__(self, path: Path) -> None:
        """Looks at nothing yet."""
        self._path = path

    @property
    def address(self) -> str:
        """The path."""
        return str(self._path)

    def read(self) -> Reading:
        """Everything, by time. Raises DataError: there is nothing, or it may not be read."""
        if not self._path.exists():
            raise DataError(f"there is no history at {self._path}", hint="drivetrain bench run makes one")
        files = sorted(self._path.glob(f"*{_ENDING}")) if self._path.is_dir() else [self._path]
        return joined(map(_read_file, files))

    def append(self, results: Sequence[Result], /) -> None:
        """Add lines, those of a suite by one write, after closing a line that a killed writer has torn.

        Raises: StoreError: the disk would not take them.
        """
        by_suite: dict[str, list[bytes]] = defaultdict(list)
        for result in results:
            by_suite[result.suite].append(result_line(result))
        for suite, lines in by_suite.items():
            file = self._path if self._path.suffix == _ENDING else self._path / f"{suite}{_ENDING}"
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                _append(file, b"".join(lines))
            except OSError as exc:
                raise StoreError(f"cannot write {file}: {exc.strerror}", hint=DISK_HINT) from exc


class BucketHistory:
    """A `History` in objects `SUITE/TIME-HASH.jsonl`: a bucket cannot append, and nothing is ever written over."""

    def __init__(self, address: str) -> None:
        """Connects to nothing yet."""
        self._bucket = Bucket(address, _PATIENCE_S)

    @property
    def address(self) -> str:
        """The URL."""
        return self._bucket.address

    def read(self) -> Reading:
        """Everything, by time. Raises StoreError: the bucket does not answer."""
        names = [name for name in self._bucket.names("") if name.endswith(_ENDING)]
        return joined(read_results((self._bucket.get(name) or b"").split(b"\n")) for name in sorted(names))

    def append(self, results: Sequence[Result], /) -> None:
        """Write an object for each suite. Raises StoreError: the bucket does not take it."""
        for suite in sorted({result.suite for result in results}):
            lines = b"".join(result_line(result) for result in results if result.suite == suite)
            at_ns = min(result.at_ns for result in results if result.suite == suite)
            self._bucket.put(f"{suite}/{at_ns}-{hashlib.sha256(lines).hexdigest()[:12]}{_ENDING}", lines)


def skipped_text(skipped: dict[str, int]) -> str:
    """What a reading left out, for people; empty where it was nothing."""
    return ", ".join(f"{number:,} {why}" for why, number in sorted(skipped.items()))


def _read_file(file: Path) -> Reading:
    try:
        with file.open("rb") as opened:
            return read_results(_bounded(opened))
    except OSError as exc:
        raise DataError(f"cannot read {file}: {exc.strerror}") from exc


def _bounded(file: BinaryIO) -> Iterator[bytes]:
    """Its lines; of one that is longer than any of ours only the beginning, which counts as torn."""
    while line := file.readline(_LONGEST_LINE_BYTES):
        yield line
        while len(line) == _LONGEST_LINE_BYTES and not line.endswith(b"\n"):
            line = file.readline(_LONGEST_LINE_BYTES)


def _append(file: Path, data: bytes) -> None:
    descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size_bytes = os.fstat(descriptor).st_size
        if size_bytes and os.pread(descriptor, 1, size_bytes - 1) != b"\n":
            data = b"\n" + data
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
