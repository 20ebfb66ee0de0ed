"""Which field of an event a key names, of what type it may be, and which column it becomes, as arrays."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from msgspec.structs import fields

from drivetrain.profile.read.columns import SPAN_TYPES
from drivetrain.profile.read.details import FIELDS
from drivetrain.profile.read.events import Args, RawEvent
from drivetrain.profile.read.scan.memory import Text
from drivetrain.profile.trace import DEVICE_KINDS, NONE, Indices, Kind

TEXT, WORD, TIME, OBJECT, INTEGER, RAW, OPTIONAL = 1, 2, 3, 4, 5, 6, 8
"""Types of values: a string; that or an integer; a number; the details; an integer; anything; or null, if added."""
_TYPES: dict[Any, int] = {
    str: TEXT,
    int | str: WORD,
    float | None: TIME | OPTIONAL,
    Args | None: OBJECT | OPTIONAL,
    int | None: INTEGER | OPTIONAL,
    msgspec.Raw: RAW,
    str | None: TEXT | OPTIONAL,
    str | int | None: WORD | OPTIONAL,
}
_EVENT, _ARGS = fields(RawEvent), fields(Args)
_FIELDS = [*_EVENT, *_ARGS]
AT = {field.name: at for at, field in enumerate(_FIELDS)}
"""Numbers of fields, those of the event first, by their names here."""
NUM_FIELDS = len(_FIELDS)
TYPE_OF_FIELD = np.array([_TYPES[field.type] for field in _FIELDS])

COLUMNS = tuple(dict.fromkeys(name for kind in FIELDS.values() for name in kind))
"""What `args` become, in the order of the scanner's columns."""
AS_INTEGER, AS_TOKEN, AS_COLLECTIVE = 0, 1, 2
_HOW = dict.fromkeys(("dims", "types", "inputs", "stack", "module"), AS_TOKEN) | {"collective": AS_COLLECTIVE}
HOW_OF_COLUMN = np.array([_HOW.get(name, AS_INTEGER) for name in COLUMNS])
FIELD_OF_COLUMN = np.array([AT[name] for name in COLUMNS])
IS_SHORT = np.array([SPAN_TYPES[name].itemsize == 4 for name in COLUMNS])
"""Columns of 32 bits."""
COLUMNS_OF_KIND = np.full((len(Kind), len(COLUMNS)), NONE)
for _kind in Kind:
    COLUMNS_OF_KIND[_kind, : len(FIELDS[_kind])] = [COLUMNS.index(name) for name in FIELDS[_kind]]

IS_DEVICE_KIND = np.isin(np.arange(len(Kind)), DEVICE_KINDS)
COLLECTIVE_FIELDS = np.array(
    [AT[name] for name in ("collective", "in_elements", "out_elements", "dtype", "group", "group_size")]
)
KIND_ROW, NAME_ROW, THREAD_ROW = len(COLUMNS), len(COLUMNS) + 1, len(COLUMNS) + 2
NUM_ROWS = len(COLUMNS) + 3
CHANGES = ("size_bytes", "total_bytes", "device", "address", "thread")

OF_EVENT, OF_ARGS = 0, 1
_NUM_SLOTS = 512
_KEYS = [field.encode_name.encode() for field in _FIELDS]
LENGTHS = np.array([len(key) for key in _KEYS])
_MOST_WORDS = -(-max(map(len, _KEYS)) // 8)
_LETTERS = np.array([list(key.ljust(8 * _MOST_WORDS, b"\0")) for key in _KEYS], np.uint8)
LETTERS = _LETTERS.view(np.uint64)
"""Of each key, eight at a time, zeros behind."""


def slot(text: Text, begin: int, end: int, factor: int) -> int:
    """Where a key would be in its table, by its length and three of its letters."""
    letters: Any = np.int64(text[begin]) << 14 ^ np.int64(text[(begin + end) >> 1]) << 7 ^ np.int64(text[end - 1])
    place: int = ((letters << 5 ^ (end - begin)) * factor >> 16) & (_NUM_SLOTS - 1)
    return place


def _placed() -> tuple[Indices, int]:
    """Tables of fields by slot, NONE where none is, and the factor that gives each key a slot of its own."""
    factor = 1
    while True:
        table = np.full((2, _NUM_SLOTS), NONE, np.int32)
        for field, (letters, length) in enumerate(zip(_LETTERS, LENGTHS.tolist(), strict=True)):
            group = OF_EVENT if field < len(_EVENT) else OF_ARGS
            at = slot(letters, 0, length, factor)
            if table[group, at] != NONE:
                break
            table[group, at] = field
        else:
            return table, factor
        factor += 2


TABLE, FACTOR = _placed()
