"""The text of one event -> where its fields are, and what those are that are numbers."""

from __future__ import annotations

import numpy as np

from drivetrain.profile.read.scan.fields import (
    AT,
    FACTOR,
    INTEGER,
    LENGTHS,
    LETTERS,
    NUM_FIELDS,
    OF_ARGS,
    OF_EVENT,
    OPTIONAL,
    RAW,
    TABLE,
    TEXT,
    TIME,
    TYPE_OF_FIELD,
    WORD,
    slot,
)
from drivetrain.profile.read.scan.json import (
    CLOSE_OBJECT,
    COLON,
    COMMA,
    MINUS,
    NULL,
    OPEN_OBJECT,
    QUOTE,
    ZERO,
    after_space,
    end_of_integer,
    end_of_plain,
    end_of_string,
    end_of_value,
    integer,
    number,
    word_at,
)
from drivetrain.profile.read.scan.kernel import eight_bytes, kernel
from drivetrain.profile.read.scan.memory import ABSENT, IS_NULL, REFUSED, Found, Text
from drivetrain.profile.read.scan.tokens import FIRST_BYTES
from drivetrain.profile.trace import NONE

_MOST_DIGITS = 18
_ARGS, _TS = AT["args"], AT["ts"]
_slot = kernel(slot)


@kernel
def _field_of(text: Text, begin: int, end: int, group: int) -> int:
    """Which field of an event, or of its details, a key names; NONE where we do not read what it names."""
    field: int = TABLE[group, _slot(text, begin, end, FACTOR)]
    if field == NONE or LENGTHS[field] != end - begin:
        return NONE
    for at in range(0, end - begin, 8):
        given = eight_bytes(text, begin + at) & FIRST_BYTES[min(end - begin - at, 8)]
        if given != LETTERS[field, at >> 3]:
            return NONE
    return field


@kernel
def _read_value(text: Text, at: int, field: int, found: Found) -> int:
    """Note the value of a field; the place after it, or REFUSED where it is of another type."""
    kind = TYPE_OF_FIELD[field] & ~OPTIONAL
    code = text[at]
    is_number = code == MINUS or (ZERO <= code <= ZERO + 9)
    end = REFUSED
    behind = 0
    if kind == RAW:
        end = end_of_value(text, at)
    elif code == QUOTE and kind in (TEXT, WORD):
        at += 1
        behind = 1
        end = end_of_string(text, at)
    elif is_number and kind in (INTEGER, WORD):
        end = end_of_integer(text, at)
        if end - at > _MOST_DIGITS or (code == MINUS and text[at + 1] == ZERO):
            return REFUSED
        found.values[field] = integer(text, at, end)
    elif is_number and kind == TIME:
        time, end = number(text, at)
        found.times[field - _TS] = time
    elif TYPE_OF_FIELD[field] & OPTIONAL and word_at(text, at) == NULL:
        if kind == TIME:
            found.times[field - _TS] = np.nan
        found.begins[field] = IS_NULL
        return at + 4
    if end == REFUSED:
        return REFUSED
    found.begins[field] = at
    found.ends[field] = end
    return end + behind


@kernel
def read_event(text: Text, at: int, found: Found) -> int:
    """Find the fields of an event, told the place after the bracket that begins it; the place after it, or REFUSED.

    An event is refused that the decoder of all others would refuse, and some that it would not: where a key is escaped,
    where an integer has too many digits, where there are details twice.
    """
    for field in range(NUM_FIELDS):
        found.begins[field] = ABSENT
    found.times[0] = found.times[1] = np.nan
    group = OF_EVENT
    at = after_space(text, at)
    while True:
        if text[at] == QUOTE:
            end = end_of_plain(text, at + 1)
            if text[end] != QUOTE:
                return REFUSED
            field = _field_of(text, at + 1, end, group)
            at = after_space(text, end + 1)
            if text[at] != COLON:
                return REFUSED
            at = after_space(text, at + 1)
            if field == _ARGS and found.begins[_ARGS] != ABSENT:
                return REFUSED
            if field == _ARGS and text[at] == OPEN_OBJECT:
                found.begins[_ARGS] = at
                group = OF_ARGS
                at = after_space(text, at + 1)
                if text[at] == QUOTE:
                    continue
                if text[at] != CLOSE_OBJECT:
                    return REFUSED
            else:
                at = end_of_value(text, at) if field < 0 else _read_value(text, at, field, found)
                if at == REFUSED:
                    return REFUSED
                at = after_space(text, at)
        elif text[at] != CLOSE_OBJECT:
            return REFUSED
        while text[at] == CLOSE_OBJECT:
            if group == OF_EVENT:
                return at + 1
            group = OF_EVENT
            at = after_space(text, at + 1)
        if text[at] != COMMA:
            return REFUSED
        at = after_space(text, at + 1)
        if text[at] != QUOTE:
            return REFUSED
