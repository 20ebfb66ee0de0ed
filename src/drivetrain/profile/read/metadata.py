"""What a trace file says beside its events -> `Origin`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from drivetrain.profile.trace import Device, Origin

_RANKS = (
    re.compile(r"(?<![a-z])rank[-_.]?(\d{1,7})(?!\d)", re.IGNORECASE),
    re.compile(r"(?<![a-z])worker[-_.]?(\d{1,7})(?!\d)", re.IGNORECASE),
    re.compile(r"(?<=\.)(\d{1,6})(?=\.)"),  # more digits are a time
)


def origin(name: str, base_ns: int, members: Mapping[str, bytes], skipped: Counter[str]) -> Origin:
    """Where a trace comes from.

    Args:
      name: of the file.
      base_ns: what its columns count from, as its events count.
      members: JSON of what stands beside the events, by key.
      skipped: what could not be read; grows by members that are not what they should be.
    """
    values = {key: _decoded(members[key], skipped) for key in _KEYS if key in members}
    distributed = values.get("distributedInfo")
    distributed = distributed if isinstance(distributed, dict) else {}
    rank = _whole(distributed.get("rank"))
    clock_ns = _whole(values.get("baseTimeNanoseconds")) or 0
    devices = values.get("deviceProperties")
    return Origin(
        name=name,
        rank=rank_in(name) if rank is None else rank,
        world_size=_whole(distributed.get("world_size")) or 0,
        backend=str(distributed.get("backend") or ""),
        base_ns=base_ns + clock_ns,
        clock_ns=clock_ns,
        devices=tuple(_device(each) for each in devices if isinstance(each, dict)) if isinstance(devices, list) else (),
        skipped=dict(skipped),
    )


_KEYS = ("distributedInfo", "deviceProperties", "baseTimeNanoseconds")


def rank_in(name: str) -> int | None:
    """The rank that a file's name tells, such as `rank3`, `worker3` or `.3.`, where it tells one and no other."""
    for pattern in _RANKS:
        found = {int(digits) for digits in pattern.findall(name)}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def _decoded(value: bytes, skipped: Counter[str]) -> Any:
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        skipped["metadata that is no JSON"] += 1
        return None


def _device(properties: Mapping[str, object]) -> Device:
    return Device(
        _whole(properties.get("id")) or 0,
        str(properties.get("name") or ""),
        _whole(properties.get("totalGlobalMem")) or 0,
        _whole(properties.get("numSms")) or 0,
    )


def _whole(value: object) -> int | None:
    """An integer that fits in 64 bits, which may be written as text."""
    try:
        number = int(value) if isinstance(value, (int, str)) else None
    except ValueError:
        return None
    return number if number is not None and -(2**63) <= number < 2**63 else None
