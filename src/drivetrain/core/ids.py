"""Ids that sort by the time they were made."""

from __future__ import annotations

import os
import re

from drivetrain.core.clock import wall_ns

# Crockford's base 32: no i, l, o, u, and its characters sort in ASCII as their values do.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_CHARS = 10  # 50 bits of milliseconds: until the year 37648
_RANDOM_CHARS = 6  # 30 bits: two ids of one millisecond collide once in 10^9
_VALID = r"[a-z][a-z0-9]*-[0-9a-z]{10}-[0-9a-z]{6}"


def new_id(prefix: str, *, now_ns: int | None = None) -> str:
    """A fresh id such as `run-01jcz9k3m4-x7q2pa`: later ones sort after earlier ones as plain text.

    Args:
      prefix: what it names, lower case letters and digits.
      now_ns: UTC nanoseconds since the epoch; now by default. Ids of one millisecond sort at random.
    """
    millis = (wall_ns() if now_ns is None else now_ns) // 1_000_000
    return f"{prefix}-{_encode(millis, _TIME_CHARS)}-{_encode(int.from_bytes(os.urandom(4), 'big'), _RANDOM_CHARS)}"


def is_id(text: str, prefix: str) -> bool:
    """Whether `text` is an id of this prefix, so that it can safely become part of a path."""
    return text.startswith(f"{prefix}-") and re.fullmatch(_VALID, text) is not None


def _encode(value: int, num_chars: int) -> str:
    chars = []
    for _ in range(num_chars):
        value, digit = divmod(value, 32)
        chars.append(_ALPHABET[digit])
    return "".join(reversed(chars))
