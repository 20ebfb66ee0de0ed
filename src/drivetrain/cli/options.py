"""Text of options becomes values; what cannot be read is an error that names the option."""

from __future__ import annotations

import re

from drivetrain.core.errors import UsageError
from drivetrain.core.units import parse_bytes, parse_duration_ns

_SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")


def duration_ns(option: str, text: str) -> int:
    """Nanoseconds of a duration such as `60ms`. Raises UsageError: it is none."""
    try:
        return parse_duration_ns(text)
    except ValueError as exc:
        raise UsageError(f"{option}: {exc}") from exc


def num_bytes(option: str, text: str) -> int:
    """Bytes of a size such as `512MiB`. Raises UsageError: it is none."""
    try:
        return parse_bytes(text)
    except ValueError as exc:
        raise UsageError(f"{option}: {exc}") from exc


def width_and_height(option: str, text: str) -> tuple[int, int]:
    """Pixels of a size such as `256x144`. Raises UsageError: it is none."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise UsageError(f"{option} is {text!r}", hint="write width x height in pixels, such as 256x144")
    return int(match[1]), int(match[2])
