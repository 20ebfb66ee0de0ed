"""Strings of bytes as numbers: the hash table in `memory.Tokens`, as machine code."""

from __future__ import annotations

import numpy as np

from drivetrain.profile.read.scan.kernel import eight_bytes, kernel
from drivetrain.profile.read.scan.memory import COUNT, FULL, LAST_SLOT, MOST_BYTES, MOST_TOKENS, SEED, Text, Tokens

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_HALF, _NOTHING = np.uint64(32), np.uint64(0)
FIRST_BYTES = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)
"""Of a word: a mask for each number of them."""


@kernel
def _hash(seed: int, text: Text, begin: int, end: int) -> int:
    """A number that is most likely different for different bytes."""
    hashed = np.uint64(seed)
    at = begin
    while at + 8 < end:
        hashed = (hashed ^ eight_bytes(text, at)) * _FACTOR
        hashed ^= hashed >> _HALF
        at += 8
    hashed = (hashed ^ (eight_bytes(text, at) & FIRST_BYTES[end - at])) * _FACTOR
    hashed ^= hashed >> _HALF
    hashed = (hashed ^ np.uint64(end - begin)) * _FACTOR
    return int(np.int64(hashed >> _HALF))


@kernel
def is_same(some: Text, begin: int, others: Text, others_begin: int, length: int) -> bool:
    """Whether two strings of bytes are one."""
    at = 0
    while at + 8 < length:
        if eight_bytes(some, begin + at) != eight_bytes(others, others_begin + at):
            return False
        at += 8
    different: int = eight_bytes(some, begin + at) ^ eight_bytes(others, others_begin + at)
    is_whole: bool = different & FIRST_BYTES[length - at] == _NOTHING
    return is_whole


@kernel
def token_of(tokens: Tokens, text: Text, begin: int, end: int) -> int:
    """The number of these bytes, which is new where they have not been met, or FULL."""
    length = end - begin
    hashed = _hash(tokens.sizes[SEED], text, begin, end)
    last = tokens.sizes[LAST_SLOT]
    slot = hashed & last
    while tokens.slots[slot]:
        number: int = tokens.slots[slot] - 1
        start = tokens.ends[number]
        if (
            tokens.hashes[number] == hashed
            and tokens.ends[number + 1] - start == length
            and is_same(tokens.bytes_, start, text, begin, length)
        ):
            return number
        slot = (slot + 1) & last
    number = tokens.sizes[COUNT]
    start = tokens.ends[number]
    if number == tokens.sizes[MOST_TOKENS] or start + length + 8 > tokens.sizes[MOST_BYTES]:
        return FULL
    for at in range(length):
        tokens.bytes_[start + at] = text[begin + at]
    tokens.ends[number + 1] = start + length
    tokens.hashes[number] = hashed
    tokens.slots[slot] = number + 1
    tokens.sizes[COUNT] = number + 1
    return number
