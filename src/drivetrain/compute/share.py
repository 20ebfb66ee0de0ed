"""What a member of a gang has of its node."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """What a member of a gang has of its node: milli of each device that it has a part of, by the device's index."""

    node: str
    milli: tuple[tuple[int, int], ...] = ()
    cpus: float = 0
    memory_bytes: int = 0
