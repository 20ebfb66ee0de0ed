"""Events in files of JSON Lines, so that a fleet's history outlives its cluster; and where events come from."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from drivetrain.core.clock import wall_ns
from drivetrain.core.errors import DataError
from drivetrain.ledger.fleet.events import FleetEvent

VERSION = 1
MOST_LINE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class FleetHistory:
    """All that is known of a fleet.

    Attributes:
      events: in the order in which they were written; those of one instant happened in that order.
      read_at_ns: when somebody asks, UTC on the controller's clock.
      num_unreadable: lines left out because they are torn, no JSON, or lack or mistype a field.
      num_unknown: lines left out because their kind is not one we know.
    """

    events: tuple[FleetEvent, ...]
    read_at_ns: int
    num_unreadable: int = 0
    num_unknown: int = 0


class FleetSource(Protocol):
    """Where a fleet's events come from: a server, a file, a simulation."""

    def read(self) -> FleetHistory:
        """All of them up to now. Raises: DrivetrainError: they cannot be had."""
        ...


@dataclass(frozen=True, slots=True)
class FleetFiles:
    """The events of one file, or of all `*.jsonl` of a folder, by name. Attributes: read_at_ns: None for now."""

    path: Path
    read_at_ns: int | None = None

    def read(self) -> FleetHistory:
        """Raises: DataError: nothing is there, it cannot be read, or a later version wrote it."""
        paths = sorted(self.path.glob("*.jsonl")) if self.path.is_dir() else [self.path]
        if not paths:
            raise DataError(f"{self.path} holds no history of a fleet: there is no *.jsonl in it")
        lines = _Lines()
        for path in paths:
            lines.take(path)
        now_ns = wall_ns() if self.read_at_ns is None else self.read_at_ns
        return FleetHistory(tuple(lines.events), now_ns, lines.num_unreadable, lines.num_unknown)


def append_history(path: Path, events: Iterable[FleetEvent]) -> None:
    """Write events at the end of a file, made where it is absent, in one write; a torn last line stays alone.

    What was written survives the death of the process; a machine that fails may take its last seconds with it.

    Raises: OSError: it cannot be written.
    """
    encode = msgspec.json.Encoder().encode
    lines = b"".join(encode(event) + b"\n" for event in events)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    with open(descriptor, "r+b", buffering=0) as file:
        size = os.fstat(descriptor).st_size
        if not size:
            lines = b'{"k":"fleet","version":%d}\n' % VERSION + lines
        elif os.pread(descriptor, 1, size - 1) != b"\n":
            lines = b"\n" + lines
        left = memoryview(lines)
        while left:
            left = left[file.write(left) :]


class _Head(msgspec.Struct):
    k: str
    version: int = VERSION


_KINDS = frozenset({"node", "price", "alloc", "free", "wait", "leave", "told"})


class _Lines:
    """Lines of files, sorted into events and what is left out."""

    def __init__(self) -> None:
        self.events: list[FleetEvent] = []
        self.num_unreadable = 0
        self.num_unknown = 0
        self._decode = msgspec.json.Decoder(FleetEvent).decode
        self._head = msgspec.json.Decoder(_Head).decode

    def take(self, path: Path) -> None:
        """All lines of a file."""
        try:
            with path.open("rb") as file:
                is_rest = False  # of a line that is too long to be one
                while line := file.readline(MOST_LINE_BYTES):
                    is_whole = line.endswith(b"\n") or len(line) < MOST_LINE_BYTES
                    if is_whole and not is_rest and line.strip():
                        self._line(line, path)
                    elif is_whole and is_rest:
                        self.num_unreadable += 1
                    is_rest = not is_whole
        except OSError as exc:
            raise DataError(f"cannot read the fleet's history {path}: {exc.strerror}") from exc

    def _line(self, line: bytes, path: Path) -> None:
        try:
            self.events.append(self._decode(line))
            return
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        try:
            head = self._head(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.num_unreadable += 1
            return
        if head.k == "fleet":
            if head.version > VERSION:
                raise DataError(
                    f"{path} is a fleet's history of version {head.version}; this release reads up to {VERSION}",
                    hint="update drivetrain",
                )
        elif head.k in _KINDS:
            self.num_unreadable += 1
        else:
            self.num_unknown += 1
