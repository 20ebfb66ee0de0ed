"""A block of events -> rows of integers."""

from __future__ import annotations

import numpy as np

from drivetrain.profile.read.scan.event import read_event
from drivetrain.profile.read.scan.fields import (
    AS_COLLECTIVE,
    AS_INTEGER,
    AT,
    CHANGES,
    COLLECTIVE_FIELDS,
    COLUMNS,
    COLUMNS_OF_KIND,
    FIELD_OF_COLUMN,
    HOW_OF_COLUMN,
    IS_DEVICE_KIND,
    IS_SHORT,
    KIND_ROW,
    NAME_ROW,
    THREAD_ROW,
)
from drivetrain.profile.read.scan.json import BACKSLASH, COMMA, OPEN_OBJECT, ZERO, after_space
from drivetrain.profile.read.scan.kernel import kernel
from drivetrain.profile.read.scan.memory import (
    CATEGORY,
    DONE,
    FULL,
    IS_NULL,
    MOST_ROWS,
    NUM_CHANGES,
    NUM_EVENTS,
    NUM_MUTE,
    NUM_SPANS,
    PLACE,
    REFUSED,
    SCRATCH_BYTES,
    UNKNOWN_KIND,
    USED,
    Found,
    Rows,
    Text,
    Tokens,
)
from drivetrain.profile.read.scan.tokens import token_of
from drivetrain.profile.read.times import LATEST_US
from drivetrain.profile.trace import NONE

_CHANGED, _TOTAL, _DEVICE_OF_CHANGE, _ADDRESS, _THREAD_OF_CHANGE = range(len(CHANGES))
_PH, _CAT, _NAME, _PID, _TID, _ARGS = (AT[name] for name in ("ph", "cat", "name", "pid", "tid", "args"))
_EXTERNAL, _EXTERNAL_OLD = AT["external"], AT["external_old"]
_DEVICE, _STREAM = AT["device"], AT["stream"]
_DEVICE_COLUMN, _STREAM_COLUMN = COLUMNS.index("device"), COLUMNS.index("stream")
_CHANGED_FIELD, _TOTAL_FIELD, _ADDRESS_FIELD = AT["changed_bytes"], AT["total_bytes"], AT["address"]
_INDEX_FIELD, _DEVICE_KIND_FIELD = AT["device_index"], AT["device_kind"]
_MEMORY = np.frombuffer(b"[memory]", np.uint8)
_X, _B, _E = ord("X"), ord("B"), ord("E")
_LEAST, _MOST = -(2**31), 2**31


@kernel
def _is_memory(text: Text, begin: int, end: int) -> int:
    """Whether a name is that of a change of memory; REFUSED where it could be, in other letters."""
    if begin < 0 or end - begin < len(_MEMORY):
        return 0
    if end - begin > len(_MEMORY):
        for at in range(begin, end):
            if text[at] == BACKSLASH:
                return REFUSED
        return 0
    for at in range(len(_MEMORY)):
        if text[begin + at] != _MEMORY[at]:
            return 0
    return 1


@kernel
def _integer(found: Found, field: int) -> int:
    return found.values[field] if found.begins[field] >= 0 else NONE


@kernel
def _short(value: int) -> int:
    return value if _LEAST <= value < _MOST else NONE


@kernel
def _token(text: Text, tokens: Tokens, found: Found, field: int) -> int:
    """The number of a text; an event that has none has an empty one."""
    if found.begins[field] < 0:
        return token_of(tokens, text, 0, 0)
    return token_of(tokens, text, found.begins[field], found.ends[field])


@kernel
def _copied(text: Text, found: Found, field: int, rows: Rows, at: int) -> int:
    """Write a field, a 0 where the event has none, and a zero byte behind it; the place after that."""
    begin = found.begins[field]
    if begin < 0:
        rows.scratch[at] = ZERO
        at += 1
    else:
        length = found.ends[field] - begin
        if at + length + len(COLLECTIVE_FIELDS) > rows.counts[SCRATCH_BYTES]:
            return REFUSED
        for place in range(length):
            rows.scratch[at + place] = text[begin + place]
        at += length
    rows.scratch[at] = 0
    return at + 1


@kernel
def _thread(text: Text, tokens: Tokens, found: Found, is_on_device: bool, rows: Rows) -> int:
    """The number of "process, zero, thread", or of "zero, device, zero, stream"."""
    if is_on_device:
        rows.scratch[0] = 0
        at = _copied(text, found, _DEVICE, rows, 1)
        end = _copied(text, found, _STREAM, rows, at)
    else:
        at = _copied(text, found, _PID, rows, 0)
        end = _copied(text, found, _TID, rows, at) if at != REFUSED else at
    return REFUSED if end == REFUSED else token_of(tokens, rows.scratch, 0, end - 1)


@kernel
def _add_change(text: Text, tokens: Tokens, found: Found, rows: Rows) -> int:
    row = rows.counts[NUM_CHANGES]
    if row == rows.counts[MOST_ROWS]:
        return REFUSED
    thread = _thread(text, tokens, found, False, rows)
    if thread < 0:
        return thread
    device_kind = _integer(found, _DEVICE_KIND_FIELD)
    is_on_device = device_kind != NONE and device_kind != 0
    changes, num = rows.changes, rows.counts[MOST_ROWS]
    changes[_CHANGED * num + row] = found.values[_CHANGED_FIELD] if found.begins[_CHANGED_FIELD] >= 0 else 0
    changes[_TOTAL * num + row] = _integer(found, _TOTAL_FIELD)
    changes[_DEVICE_OF_CHANGE * num + row] = _short(_integer(found, _INDEX_FIELD)) if is_on_device else NONE
    changes[_ADDRESS * num + row] = _integer(found, _ADDRESS_FIELD)
    changes[_THREAD_OF_CHANGE * num + row] = thread
    rows.change_times[row] = found.times[0]
    rows.counts[NUM_CHANGES] = row + 1
    return DONE


@kernel
def _collective(text: Text, tokens: Tokens, found: Found, rows: Rows) -> int:
    """The number of all that is said of a collective, zeros between."""
    end = 0
    for field in COLLECTIVE_FIELDS:
        if found.begins[field] >= 0:
            end = _copied(text, found, field, rows, end)
        else:
            rows.scratch[end] = 0
            end += 1
        if end == REFUSED:
            return REFUSED
    return token_of(tokens, rows.scratch, 0, end - 1)


@kernel
def _add_details(text: Text, tokens: Tokens, found: Found, rows: Rows, kind: int) -> int:
    """Write the columns that this kind has, and that others have not."""
    row, num = rows.counts[NUM_SPANS], rows.counts[MOST_ROWS]
    for column in range(len(HOW_OF_COLUMN)):
        rows.spans[column * num + row] = NONE
    for place in range(len(HOW_OF_COLUMN)):
        column = COLUMNS_OF_KIND[kind, place]
        if column == NONE:
            break
        field = FIELD_OF_COLUMN[column]
        if HOW_OF_COLUMN[column] == AS_INTEGER:
            value = _integer(found, field)
            if field == _EXTERNAL and value == NONE and found.begins[_EXTERNAL] != IS_NULL:
                value = _integer(found, _EXTERNAL_OLD)
            if IS_SHORT[column]:
                value = _short(value)
        elif found.begins[field] < 0 or (
            found.begins[field] == found.ends[field] and HOW_OF_COLUMN[column] != AS_COLLECTIVE
        ):
            continue
        else:
            if HOW_OF_COLUMN[column] == AS_COLLECTIVE:
                value = _collective(text, tokens, found, rows)
            else:
                value = token_of(tokens, text, found.begins[field], found.ends[field])
            if value < 0:
                return value
        if value != NONE:
            rows.spans[column * num + row] = value
            rows.counts[USED] |= 1 << column
    return DONE


@kernel
def _add_span(text: Text, tokens: Tokens, found: Found, rows: Rows) -> int:
    row = rows.counts[NUM_SPANS]
    if row == rows.counts[MOST_ROWS]:
        return REFUSED
    category = _token(text, tokens, found, _CAT)
    name = _token(text, tokens, found, _NAME)
    if category == FULL or name == FULL:
        return FULL
    kind = tokens.kinds[category]
    if kind == NONE:
        rows.counts[CATEGORY] = category
        return UNKNOWN_KIND
    outcome = _add_details(text, tokens, found, rows, kind)
    if outcome != DONE:
        return outcome
    spans, num = rows.spans, rows.counts[MOST_ROWS]
    device, stream = spans[_DEVICE_COLUMN * num + row], spans[_STREAM_COLUMN * num + row]
    is_on_device = IS_DEVICE_KIND[kind] and device != NONE and stream != NONE
    thread = _thread(text, tokens, found, is_on_device, rows)
    if thread < 0:
        return thread
    spans[KIND_ROW * num + row] = kind
    spans[NAME_ROW * num + row] = name
    spans[THREAD_ROW * num + row] = thread
    rows.span_times[row] = found.times[0]
    rows.span_times[num + row] = found.times[1]
    rows.counts[NUM_SPANS] = row + 1
    return DONE


@kernel
def _take(text: Text, tokens: Tokens, found: Found, rows: Rows) -> int:
    """Append what one event is."""
    begin = found.begins[_PH]
    length = found.ends[_PH] - begin if begin >= 0 else 0
    phase = np.int64(text[begin]) if length else 0
    if phase == BACKSLASH or (length == 1 and phase in (_B, _E)):
        return REFUSED
    outcome = DONE
    if length == 1 and phase == _X:
        outcome = _add_span(text, tokens, found, rows)
    else:
        is_memory = _is_memory(text, found.begins[_NAME], found.ends[_NAME])
        if is_memory == REFUSED:
            return REFUSED
        if is_memory and found.begins[_ARGS] >= 0 and abs(found.times[0]) <= LATEST_US:
            outcome = _add_change(text, tokens, found, rows)
    if outcome == DONE:
        rows.counts[NUM_EVENTS] += 1
        rows.counts[NUM_MUTE] += length == 0
    return outcome


@kernel
def scan(text: Text, length: int, tokens: Tokens, found: Found, rows: Rows) -> int:
    """Go through events with commas between, from `PLACE` on. DONE, or why not: FULL and UNKNOWN_KIND may be mended."""
    at = rows.counts[PLACE]
    while True:
        at = after_space(text, at)
        rows.counts[PLACE] = at
        if text[at] != OPEN_OBJECT:
            return REFUSED
        at = read_event(text, at + 1, found)
        if at == REFUSED:
            return REFUSED
        outcome = _take(text, tokens, found, rows)
        if outcome != DONE:
            return outcome
        at = after_space(text, at)
        if at == length:
            return DONE
        if text[at] != COMMA:
            return REFUSED
        at += 1
