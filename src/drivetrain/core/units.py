"""Quantities with units: text that people write to numbers, and numbers to text that people read."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from msgspec import Struct

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
_TIME_NS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": NS_PER_S,
    "m": 60 * NS_PER_S,
    "h": 3600 * NS_PER_S,
    "d": 86400 * NS_PER_S,
}
_BYTES: dict[str, int] = {
    "b": 1,
    **{f"{prefix}b": 1000**power for power, prefix in enumerate("kmgt", start=1)},
    **{f"{prefix}ib": 1024**power for power, prefix in enumerate("kmgt", start=1)},
}
_QUANTITY = r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]+)\s*"  # a text: `re` compiles it at first use, and agents have none


class Every(Struct, frozen=True):
    """How often something happens: each so many steps, or each so much time.

    Attributes:
      amount: number of steps, or nanoseconds; at least 1.
      unit: which of the two.
    """

    amount: int
    unit: Literal["step", "ns"]

    def __str__(self) -> str:
        return f"{self.amount}step" if self.unit == "step" else duration_text(self.amount)


def parse_duration_ns(text: str) -> int:
    """Nanoseconds of a duration such as `90s`, `10m`, `1.5h`, `250ms`.

    Raises: ValueError: it is not a number with one of the units ns, us, ms, s, m, h, d.
    """
    return _parse_ns(text, "a duration such as 90s, 10m or 1.5h")


def parse_every(text: str) -> Every:
    """An interval in steps or time: `50step`, `10m`.

    Raises: ValueError: neither, or it is zero.
    """
    match = re.fullmatch(_QUANTITY, text)
    if match and match[2] in ("step", "steps") and match[1].isdigit():
        every = Every(int(match[1]), "step")
    else:
        every = Every(_parse_ns(text, "an interval such as 50step, 90s or 10m"), "ns")
    if every.amount < 1:
        raise ValueError(f"{text!r} is no interval: it must be at least 1step or 1ns")
    return every


def parse_bytes(text: str) -> int:
    """Bytes of a size such as `512MiB`, `1.5GiB`, `2GB` (10^9), `4096B`.

    Raises: ValueError: it is not a number with one of those units, or less than a byte.
    """
    match = re.fullmatch(_QUANTITY, text)
    factor = _BYTES.get(match[2].lower()) if match else None
    if match is None or factor is None or not 1 <= (amount := float(match[1]) * factor) < float("inf"):
        raise ValueError(f"{text!r} is not a size such as 512MiB or 1.5GiB")
    return round(amount)


def duration_text(duration_ns: int) -> str:
    """A duration for people, three figures or so: `41.3 s`, `2 m 05 s`, `3 h 20 m`, `180 ms`, `12 us`."""
    size = abs(duration_ns)
    sign = "-" if duration_ns < 0 else ""
    if size < 1_000:
        return f"{sign}{size} ns"
    if size < 1_000_000:
        return f"{sign}{_figures(size / 1_000)} us"
    if size < NS_PER_S:
        return f"{sign}{_figures(size / 1_000_000)} ms"
    if size < 60 * NS_PER_S:
        return f"{sign}{_figures(size / NS_PER_S)} s"
    whole_s = round(size / NS_PER_S)
    if whole_s < 3600:
        return f"{sign}{whole_s // 60} m {whole_s % 60:02d} s"
    whole_m = round(size / (60 * NS_PER_S))
    return f"{sign}{whole_m // 60} h {whole_m % 60:02d} m"


def bytes_text(num_bytes: int) -> str:
    """A size for people: `512 B`, `3.4 KiB`, `1.2 GiB`."""
    size, unit = float(num_bytes), "B"
    for next_unit in ("KiB", "MiB", "GiB", "TiB"):
        if abs(size) < 1024:
            break
        size, unit = size / 1024, next_unit
    return f"{num_bytes} B" if unit == "B" else f"{_figures(size)} {unit}"


def count_text(number: int, noun: str, plural: str = "") -> str:
    """How many of something, for people: `1 attempt`, `2 attempts`; a plural that is not the noun with s is given."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


@lru_cache
def _parse_ns(text: str, wanted: str) -> int:
    match = re.fullmatch(_QUANTITY, text)
    if match is None or match[2] not in _TIME_NS:
        raise ValueError(f"{text!r} is not {wanted}; units are {', '.join(_TIME_NS)}")
    amount = float(match[1]) * _TIME_NS[match[2]]
    if amount == float("inf"):
        raise ValueError("the number is too large")
    return round(amount)


def _figures(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
