"""Results of steps on disk, chunk by chunk: whole and visible, or not there.

    FOLDER/ADDRESS/CHUNK.entries    magic, then per entry: length, CRC-32, bytes; then the number of entries and magic

All of it can be removed at any time when no pipeline runs; it is made again when it is needed. Steps that no pipeline
has asked for in a day are removed, the longest unused first, once all together take more than 32 GiB.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from drivetrain.core.errors import StoreError
from drivetrain.core.units import NS_PER_S
from drivetrain.data.pipeline import wire
from drivetrain.data.pipeline.item import Entry
from drivetrain.store import DISK_HINT

_MAGIC = b"dtchunk1"
_ENTRY, _END = struct.Struct("<QI"), struct.Struct("<Q8s")
_ENDING, _INCOMPLETE = ".entries", ".incomplete"
_MOST_BYTES = 32 << 30
_IN_USE_NS = 86400 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Chunks:
    """Stored chunks under a folder; any number of pipelines may use it at once."""

    folder: Path

    def stored(self, address: str) -> frozenset[int]:
        """The chunks of a step that are there and complete; what killed writers left is removed."""
        found = set()
        with suppress(OSError):  # there is no such step yet
            os.utime(self._step(address))  # asked for now
        for file in self._step(address).glob("*"):
            if file.name.endswith(_INCOMPLETE):
                _remove_leftover(file)
            elif file.suffix == _ENDING and file.stem.isdecimal() and _is_complete(file):
                found.add(int(file.stem))
        return frozenset(found)

    def read(self, address: str, chunk: int) -> Iterator[Entry]:
        """The entries of a chunk, in order, one in memory at a time.

        Raises: StoreError: it was altered; it is removed, so that running again makes it anew.
        """
        file = self._file(address, chunk)
        try:
            with file.open("rb") as opened:
                yield from map(wire.decode, _payloads(opened))
        except (OSError, StoreError) as exc:
            with suppress(OSError):
                file.unlink()
            raise StoreError(
                f"stored chunk {file} cannot be read back: {exc}", hint="it was removed: run again to make it anew"
            ) from exc

    def writer(self, address: str, chunk: int) -> ChunkWriter:
        """Write a chunk entry by entry."""
        return ChunkWriter(self._file(address, chunk))

    def write(self, address: str, chunk: int, payloads: Iterable[bytes]) -> None:
        """Write a whole chunk of encoded entries. Raises StoreError: the disk would not take it."""
        writer = self.writer(address, chunk)
        try:
            for payload in payloads:
                writer.add(payload)
            writer.publish()
        finally:
            writer.discard()

    def prune(self, *, most_bytes: int = _MOST_BYTES, in_use_ns: int = _IN_USE_NS) -> None:
        """Remove steps that were not asked for lately, the longest unused first, until the others fit.

        Args:
          most_bytes: that all steps may take.
          in_use_ns: steps asked for within this time stay, however many they are: a pipeline may be reading them.
        """
        steps = sorted(((step.stat().st_mtime_ns, step) for step in self.folder.glob("*/")), key=lambda found: found[0])
        sizes = {step: sum(file.stat().st_size for file in step.glob("*")) for _, step in steps}
        num_bytes, now_ns = sum(sizes.values()), time.time_ns()
        for asked_ns, step in steps:
            if num_bytes > most_bytes and now_ns - asked_ns > in_use_ns:
                shutil.rmtree(step, ignore_errors=True)
                num_bytes -= sizes[step]

    def _step(self, address: str) -> Path:
        return self.folder / address

    def _file(self, address: str, chunk: int) -> Path:
        return self._step(address) / f"{chunk:06d}{_ENDING}"


class ChunkWriter:
    """Takes the entries of one chunk in order; visible after `publish`, gone after `discard`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._aside = file.with_name(f".{file.name}.{_here()}.{os.getpid()}{_INCOMPLETE}")
        self._num_entries = 0
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._opened: BinaryIO = self._aside.open("wb")
            self._opened.write(_MAGIC)
        except OSError as exc:
            raise StoreError(f"cannot write {file}: {exc.strerror}", hint=DISK_HINT) from exc

    def add(self, payload: bytes) -> None:
        """Append one encoded entry. Raises StoreError: the disk would not take it."""
        try:
            self._opened.write(_ENTRY.pack(len(payload), zlib.crc32(payload)))
            self._opened.write(payload)
        except OSError as exc:
            raise self._failed(exc) from exc
        self._num_entries += 1

    def publish(self) -> None:
        """Make it visible under its name. Raises StoreError: the disk would not take it."""
        try:
            with self._opened as opened:
                opened.write(_END.pack(self._num_entries, _MAGIC))
                opened.flush()
                os.fsync(opened.fileno())
            self._aside.replace(self._file)
        except OSError as exc:
            raise self._failed(exc) from exc

    def discard(self) -> None:
        """Forget what was written; may be called twice, and after `publish`."""
        with suppress(OSError):  # of a full disk, again, while its buffer is flushed
            self._opened.close()
        with suppress(OSError):
            self._aside.unlink()

    def _failed(self, exc: OSError) -> StoreError:
        self.discard()
        return StoreError(f"cannot write {self._file}: {exc.strerror}", hint=DISK_HINT)


def _payloads(opened: BinaryIO) -> Iterator[bytes]:
    end = opened.seek(-_END.size, os.SEEK_END)
    num_entries, _ = _END.unpack(opened.read(_END.size))
    opened.seek(len(_MAGIC))
    for _ in range(num_entries):
        size, crc32 = _ENTRY.unpack(opened.read(_ENTRY.size))
        if size > end - opened.tell():  # before memory is asked for
            raise StoreError(f"an entry of {size} bytes leads past its end")
        payload = opened.read(size)
        if zlib.crc32(payload) != crc32:
            raise StoreError("an entry was altered")
        yield payload
    if opened.tell() != end:
        raise StoreError(f"it has other than the {num_entries} entries that it says")


def _is_complete(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            if opened.read(len(_MAGIC)) != _MAGIC:
                return False
            opened.seek(-_END.size, os.SEEK_END)
            return opened.read(_END.size).endswith(_MAGIC)
    except OSError:
        return False


def _remove_leftover(aside: Path) -> None:
    """Remove a file of a writer on this machine that is no more; another machine's is its own matter."""
    *_, host, pid = aside.name.removesuffix(_INCOMPLETE).rsplit(".", 2)
    if host == _here() and pid.isdecimal() and not Path(f"/proc/{pid}").exists():
        with suppress(OSError):
            aside.unlink()


def _here() -> str:
    return socket.gethostname().partition(".")[0]
