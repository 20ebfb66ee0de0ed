"""The text of events -> events: strictly and many at once, or more tolerantly one by one where that fails."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, TypeVar

import msgspec
from msgspec.structs import fields

from drivetrain.profile.read.events import Args, RawEvent
from drivetrain.profile.read.mend import mended

_Typed = TypeVar("_Typed", bound=msgspec.Struct)
_STRICT = msgspec.json.Decoder(list[RawEvent])
_LAX = msgspec.json.Decoder(list[RawEvent], strict=False)  # numbers may be in quotes
_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

BEGIN_OF_EVENT = rb'\{\s*+"(?:ph|cat|name|pid|tid|ts|dur|args|id|bp|s)"\s*+:'
_BETWEEN_EVENTS = re.compile(rb"\}\s*+,?\s*+(?=" + BEGIN_OF_EVENT + rb")")


def events_of(text: bytes | memoryview) -> list[RawEvent] | None:
    """All events of a text that is nothing but whole events with commas between; None where it is not."""
    return events_in(b"".join((b"[", text, b"]")))


def events_in(array: bytes | memoryview) -> list[RawEvent] | None:
    """The same of a JSON array."""
    try:
        return _STRICT.decode(array)
    except msgspec.ValidationError:
        try:
            return _LAX.decode(array)
        except _ERRORS:
            return None
    except _ERRORS:
        return None


def tolerantly(text: bytes, skipped: Counter[str]) -> list[RawEvent]:
    """What can be read of a text that should be one event, or of several that damage has made look like one."""
    event = _event(text, skipped)
    if event is not None:
        return [event]
    pieces = _between_events(text)
    if len(pieces) == 1:
        if text.strip():
            skipped["an event that is no JSON object"] += 1
        return []
    found = []
    for piece in pieces:
        event = _event(piece, skipped)
        if event is None:
            skipped["an event that is no JSON object"] += 1
        else:
            found.append(event)
    return found


def _between_events(text: bytes) -> list[bytes]:
    cuts = [match.start() + 1 for match in _BETWEEN_EVENTS.finditer(text)]
    return [text[a:b].strip(b", \t\r\n") for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def last_event_begin(text: bytes) -> int | None:
    """Where the last place is that looks as though an event ends there and the next one begins."""
    last = None
    for last in _BETWEEN_EVENTS.finditer(text):  # noqa: B007 - the last one is wanted
        pass
    return last.end() if last else None


def _event(text: bytes, skipped: Counter[str]) -> RawEvent | None:
    found = events_of(text)
    if found is None:
        counts: Counter[str] = Counter()
        text = mended(text, counts)
        found = events_of(text)
        if found is None:
            found = _loose(text, counts)
        if found is not None:
            skipped.update(counts)
    return found[0] if found is not None and len(found) == 1 else None


def _loose(text: bytes, skipped: Counter[str]) -> list[RawEvent] | None:
    """An event some of whose fields are of other types than they should be, without those fields."""
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    args = value.pop("args", None)
    event = _typed(RawEvent, value, skipped)
    if isinstance(args, dict):
        event.args = _typed(Args, args, skipped)
    elif args is not None:
        skipped["a field of another type"] += 1
    return [event]


def _typed(of: type[_Typed], values: dict[str, Any], skipped: Counter[str]) -> _Typed:
    found = {}
    for field in fields(of):
        if field.encode_name in values:
            value = values[field.encode_name]
            if field.type is msgspec.Raw:
                found[field.name] = msgspec.Raw(json.dumps(value).encode())
                continue
            try:
                found[field.name] = msgspec.convert(_plain(value, field.type), field.type, strict=False)
            except msgspec.ValidationError:
                skipped["a field of another type"] += 1
    return of(**found)


def _plain(value: object, wanted: object) -> object:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return str(value) if is_number and wanted is str else value
