"""What machine code reads and writes, as arrays; it gets the address of each."""

from __future__ import annotations

import secrets
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from drivetrain.profile.trace import NONE, Ints

Text = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

DONE, REFUSED, FULL, UNKNOWN_KIND = 0, -1, -2, -3
"""How far a scan came: to the end; to something unusual; to a token without room; to a category to be looked up."""
ABSENT, IS_NULL = -1, -2
"""As the begin of a field."""
COUNT, MOST_TOKENS, MOST_BYTES, LAST_SLOT, SEED = range(5)
"""Of `Tokens.sizes`."""
PLACE, NUM_EVENTS, NUM_MUTE, NUM_SPANS, NUM_CHANGES, USED, CATEGORY, MOST_ROWS, SCRATCH_BYTES = range(9)
"""Of `Rows.counts`: where in the text it is; which columns have anything, a digit of two each; and sizes."""


class Tokens(NamedTuple):
    """Each string of bytes that was met, once; T of them, in the order in which they came.

    Attributes:
      sizes: T, how much room there is, and what hashes begin with, so that nobody can know them.
      ends: where each ends in `bytes_`, and the next begins; behind a 0; shape (T + 1,) and room for more.
      bytes_: of all.
      hashes: of each; shape (T,) and room for more.
      slots: the number + 1 of the token whose hash leads here, or to a place before; 0 where none is.
      kinds: what each means as a category, NONE where that has not been asked; shape (T,) and room for more.
    """

    sizes: Ints
    ends: Ints
    bytes_: Text
    hashes: Ints
    slots: Ints
    kinds: Ints


class Found(NamedTuple):
    """Fields of one event, by their numbers.

    Attributes:
      begins, ends: where in the text, of strings without quotes; shape (F,) each.
      values: of integers; shape (F,).
      times: `ts` and `dur`, NaN where the event has none.
    """

    begins: Ints
    ends: Ints
    values: Ints
    times: Floats


class Rows(NamedTuple):
    """What a scan writes, N rows and room for more; columns one behind the other.

    Attributes:
      counts: how far it came.
      spans: `COLUMNS`, then kind, name and thread.
      span_times: begin and duration, us.
      changes: of memory: `CHANGES`.
      change_times: us.
      scratch: room to put tokens together.
    """

    counts: Ints
    spans: Ints
    span_times: Floats
    changes: Ints
    change_times: Floats
    scratch: Text


def empty_tokens(num_tokens: int = 1 << 12, num_bytes: int = 1 << 18) -> Tokens:
    """None, with room for so many, a power of two, of so many bytes together."""
    return Tokens(
        sizes=np.array([0, num_tokens, num_bytes, 2 * num_tokens - 1, secrets.randbits(63)]),
        ends=np.zeros(num_tokens + 1, np.int64),
        bytes_=np.zeros(num_bytes, np.uint8),
        hashes=np.zeros(num_tokens, np.int64),
        slots=np.zeros(2 * num_tokens, np.int64),
        kinds=np.full(num_tokens, NONE, np.int64),
    )


def grown(tokens: Tokens, num_bytes: int) -> Tokens:
    """The same with twice the room, and room for at least so many bytes more."""
    count = int(tokens.sizes[COUNT])
    larger = empty_tokens(2 * len(tokens.hashes), 2 * len(tokens.bytes_) + num_bytes)
    larger.sizes[[COUNT, SEED]] = tokens.sizes[[COUNT, SEED]]
    larger.ends[: count + 1] = tokens.ends[: count + 1]
    larger.bytes_[: tokens.ends[count]] = tokens.bytes_[: tokens.ends[count]]
    larger.hashes[:count] = tokens.hashes[:count]
    larger.kinds[:count] = tokens.kinds[:count]
    _put(larger.slots, larger.hashes[:count])
    return larger


def _put(slots: Ints, hashes: Ints) -> None:
    """Enter tokens into a table that is empty: as many at once as have places of their own."""
    last = len(slots) - 1
    numbers = np.arange(len(hashes))
    places = hashes & last
    while len(numbers):
        is_free = slots[places] == 0
        slots[places[is_free]] = numbers[is_free] + 1
        is_left = slots[places] != numbers + 1
        numbers, places = numbers[is_left], (places[is_left] + 1) & last


def token(tokens: Tokens, number: int) -> bytes:
    """The bytes that have this number."""
    return tokens.bytes_[tokens.ends[number] : tokens.ends[number + 1]].tobytes()
