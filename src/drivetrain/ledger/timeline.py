"""Timeline files: what happened to a run's ranks as JSON Lines in milliseconds, with the moment somebody asks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path

import msgspec

from drivetrain.core.errors import DataError
from drivetrain.ledger.accounting import Account, account_of
from drivetrain.ledger.events import NEEDS, Event, Fields, event_of

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Timeline:
    """A timeline file as values.

    Attributes:
      name: what the file calls itself.
      lease_ns: how long after its last beat a supervisor is taken to live.
      read_at_ns: when somebody asks, UTC on the supervisor's clock.
      events: in order of true time.
      num_unreadable: lines left out because they are torn, no JSON, or lack or mistype a field.
      num_unknown: lines left out because their kind is not one we know.
    """

    name: str
    lease_ns: int
    read_at_ns: int
    events: tuple[Event, ...]
    num_unreadable: int = 0
    num_unknown: int = 0


class _Head(msgspec.Struct):
    timeline: int
    name: str
    lease_ms: int
    read_at_wall_ms: int


class _Line(Fields, kw_only=True, gc=False):
    kind: str
    host: str
    mono_ms: int
    wall_ms: int
    ahead_ms: int | None = None


def read_timeline(path: str | os.PathLike[str]) -> Timeline:
    """Read a timeline file. A line that cannot be understood is left out and counted; the last one may be torn.

    Raises: DataError: there is no such file, or its first line is not a timeline's of version 1.
    """
    try:
        first, *lines = Path(path).read_bytes().split(b"\n")
    except OSError as exc:
        raise DataError(f"cannot read the timeline {path}: {exc.strerror}") from exc
    head = _head(first, path)
    decode = msgspec.json.Decoder(_Line).decode
    events: list[Event] = []
    num_unreadable = num_unknown = 0
    for line in lines:
        if not line:
            continue
        try:
            found = decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            num_unreadable += 1
            continue
        if found.kind not in NEEDS:
            num_unknown += 1
            continue
        event = _event(found)
        if event is None:
            num_unreadable += 1
        else:
            events.append(event)
    lease_ns, read_at_ns = head.lease_ms * _NS_PER_MS, head.read_at_wall_ms * _NS_PER_MS
    return Timeline(head.name, lease_ns, read_at_ns, tuple(events), num_unreadable, num_unknown)


def account_of_timeline(timeline: Timeline) -> Account:
    """The account of a timeline, asked for at the moment it names."""
    return account_of(timeline.events, timeline.lease_ns, timeline.read_at_ns)


def timeline_json(name: str, account: Account) -> dict[str, object]:
    """An account in whole milliseconds of device time, without empty leaves; `report --timeline --json` prints it.

    Leaves sum to the allocated time here too: where steps recorded at once share a millisecond, one leaf gets it.
    """
    ends_ms = [_nearest_ms(ns) for ns in accumulate(account.leaves.values(), initial=0)]
    leaves_ms = {leaf: end - start for leaf, (start, end) in zip(account.leaves, pairwise(ends_ms), strict=True)}
    return {
        "name": name,
        "leaves_ms": {leaf: ms for leaf, ms in leaves_ms.items() if ms},
        "allocated_ms": ends_ms[-1],
        "queued_ms": account.queued_ns // _NS_PER_MS,
    }


def _nearest_ms(ns: int) -> int:
    return (ns + _NS_PER_MS // 2) // _NS_PER_MS


def _head(line: bytes, path: str | os.PathLike[str]) -> _Head:
    try:
        head = msgspec.json.decode(line, type=_Head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise DataError(
            f"{path} is not a timeline: its first line should hold timeline, name, lease_ms and read_at_wall_ms ({exc})"
        ) from exc
    if head.timeline != 1:
        raise DataError(f"{path} is a timeline of version {head.timeline}; this release reads version 1")
    return head


def _event(line: _Line) -> Event | None:
    ahead_ns = None if line.ahead_ms is None else line.ahead_ms * _NS_PER_MS
    return event_of(line, line.kind, line.host, line.mono_ms * _NS_PER_MS, line.wall_ms * _NS_PER_MS, ahead_ns)
