"""A trace file, plain or gzipped, -> a `Trace`."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from drivetrain.core.errors import DataError
from drivetrain.profile.read.events import RawEvent
from drivetrain.profile.read.gather import Gatherer
from drivetrain.profile.trace import Device, Origin, Trace


class _Distributed(msgspec.Struct, frozen=True):
    rank: int | None = None
    world_size: int = 0
    backend: str = ""


class _DeviceProperties(msgspec.Struct):
    id: int = 0
    name: str = ""
    totalGlobalMem: int = 0  # noqa: N815 - as Kineto writes it
    numSms: int = 0  # noqa: N815


class _File(msgspec.Struct):
    traceEvents: list[RawEvent]  # noqa: N815
    distributedInfo: _Distributed = _Distributed()  # noqa: N815
    deviceProperties: list[_DeviceProperties] = []  # noqa: N815
    baseTimeNanoseconds: int = 0  # noqa: N815


def read_trace(path: Path) -> Trace:
    """Read one process's trace. Raises DataError: it is not a trace."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    return _parsed(path.name, data)


def trace_of(events: Sequence[Mapping[str, Any]], *, name: str = "events", **metadata: object) -> Trace:
    """The trace that a file with these events would be read as.

    Args:
      events: objects of `traceEvents`, times in microseconds.
      name: what `Origin.name` says.
      metadata: what the file has beside its events, such as `distributedInfo={"rank": 3}`.
    """
    return _parsed(name, msgspec.json.encode({**metadata, "traceEvents": events}))


def _parsed(name: str, data: bytes) -> Trace:
    try:
        file = msgspec.json.decode(data, type=_File)
    except msgspec.DecodeError as exc:
        raise DataError(f"{name} is not a trace that can be read: {exc}") from exc
    gatherer = Gatherer()
    gatherer.add(file.traceEvents)

    def origin(base_ns: int, skipped: Counter[str]) -> Origin:
        return Origin(
            name=name,
            rank=file.distributedInfo.rank,
            world_size=file.distributedInfo.world_size,
            backend=file.distributedInfo.backend,
            base_ns=base_ns + file.baseTimeNanoseconds,
            clock_ns=file.baseTimeNanoseconds,
            devices=tuple(
                Device(each.id, each.name, each.totalGlobalMem, each.numSms) for each in file.deviceProperties
            ),
            skipped=dict(skipped),
        )

    return gatherer.trace(origin)
