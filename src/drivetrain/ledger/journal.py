"""Journal files: one per process, a header and then a record a line; read tolerantly, followed as they grow.

A record is one `os.write` to an `O_APPEND` descriptor, so whatever kills the writer leaves whole lines and at most one
torn one. Names on disk are short (`k` kind, `t` monotonic ns) because a long run writes millions of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import msgspec

from drivetrain.core.clock import Anchor
from drivetrain.ledger.events import NEEDS, Event, Fields, event_of

VERSION = 1
HEADER = "journal"


class Header(msgspec.Struct, frozen=True):
    """The first line a process writes: who it is, and one moment on both of its clocks.

    Attributes:
      run: the run's id.
      attempt: which try of it, from 0.
      rank: whose records these are, None for a supervisor's.
      host: see core.clock.host_id.
      pid: the process.
      lease_ns: how long after its last beat the supervisor is taken to live.
      t: monotonic ns.
      wall: UTC ns at that moment.
    """

    run: str
    attempt: int
    rank: int | None
    host: str
    pid: int
    lease_ns: int
    t: int
    wall: int
    k: str = HEADER
    version: int = VERSION

    @property
    def anchor(self) -> Anchor:
        """The moment on both clocks."""
        return Anchor(self.t, self.wall)


class Record(Fields, kw_only=True, gc=False):
    """Any later line, as written; `end` and `then` name a phase that closes before it or opens after it, at once."""

    k: str
    t: int
    end: str | None = None
    then: str | None = None
    ahead_ns: int | None = None


class Journal(msgspec.Struct, frozen=True):
    """What one journal file holds.

    Attributes:
      parts: a header with the records after it; one unless several processes wrote the file in turn.
      num_unreadable: lines left out because they are torn, no records of ours, or come before any header.
    """

    parts: tuple[tuple[Header, tuple[Record, ...]], ...]
    num_unreadable: int = 0


def read_journal(path: Path, *, leave_out: str = "") -> Journal:
    """Read a journal file; it may be absent, empty, torn at its end or damaged in its middle.

    Args:
      leave_out: a kind of records that there are many of, and that are not wanted.
    Raises: OSError: it is there but cannot be read.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return Journal(())
    parts: list[tuple[Header, list[Record]]] = []
    num_unreadable, parse = 0, _parser()
    unwanted = f'{{"k":"{leave_out}"'.encode() if leave_out else b"\n"
    for line in lines:
        if not line or line.startswith(unwanted):
            continue
        found = parse(line)
        if isinstance(found, Header):
            parts.append((found, []))
        elif found is not None and parts:
            parts[-1][1].append(found)
        else:
            num_unreadable += 1
    return Journal(tuple((header, tuple(records)) for header, records in parts), num_unreadable)


def events_of(header: Header, records: Iterable[Record], anchor: Anchor | None = None) -> Iterator[Event]:
    """The events of one process's records, stamped through `anchor` (its host's; its own header's by default).

    Kinds that a later release may have added are left out.
    """
    anchor = anchor or header.anchor
    for record in records:
        if record.rank is None:
            record.rank = header.rank
        record.attempt = record.attempt or header.attempt
        mono_ns, wall_ns = record.t, anchor.to_wall_ns(record.t)
        if record.end is not None:
            yield Event("end", header.host, mono_ns, wall_ns, record.rank, phase=record.end, attempt=record.attempt)
        event = event_of(record, record.k, header.host, mono_ns, wall_ns, record.ahead_ns)
        if event is not None:
            yield event
        if record.then is not None:
            yield Event("begin", header.host, mono_ns, wall_ns, record.rank, phase=record.then, attempt=record.attempt)


class JournalTail:
    """Follows one journal file as it grows. Holds no descriptor between polls; for one thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.num_unreadable = 0
        self._offset = 0
        self._header: Header | None = None

    def poll(self) -> list[Event]:
        """Events of the lines completed since the last poll; none while the file is absent. Never raises OSError."""
        events: list[Event] = []
        for line in self._new_lines():
            found = _parser()(line)
            if isinstance(found, Header):
                self._header = found
            elif found is not None and self._header is not None:
                events += events_of(self._header, (found,))
            elif line:
                self.num_unreadable += 1
        return events

    def _new_lines(self) -> Sequence[bytes]:
        try:
            with self.path.open("rb", buffering=0) as file:
                if os.fstat(file.fileno()).st_size <= self._offset:
                    return ()
                file.seek(self._offset)
                data = file.read()
        except OSError:
            return ()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.split(b"\n")


@cache
def _parser() -> Callable[[bytes], Header | Record | None]:
    """A line -> what it is; None when it is neither, or of a kind we do not know.

    Made as the first journal is read: msgspec takes 2 ms to understand these types, which ranks need not wait for.
    """
    decode_record, decode_header = msgspec.json.Decoder(Record).decode, msgspec.json.Decoder(Header).decode

    def parse(line: bytes) -> Header | Record | None:
        try:
            found = decode_record(line)
            if found.k == HEADER:
                return decode_header(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return found if found.k in NEEDS else None

    return parse
