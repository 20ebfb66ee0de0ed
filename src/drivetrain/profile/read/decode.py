"""The text of events -> events: strictly and many at once, or more tolerantly one by one where that fails."""

from __future__ import annotations

import re
from collections import Counter

import msgspec

from drivetrain.profile.read.events import RawEvent
from drivetrain.profile.read.loose import loose_events_of
from drivetrain.profile.read.mend import characters_mended, tokens_mended

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


def somehow_events_of(text: bytes, skipped: Counter[str]) -> list[RawEvent] | None:
    """The same of events that should have been written otherwise; what had to be mended or left out is counted."""
    counts: Counter[str] = Counter()
    for mend in (None, characters_mended, tokens_mended):
        text = text if mend is None else mend(text, counts)
        events = events_of(text)
        if events is None:
            events = loose_events_of(text, counts, may_be_large=mend is tokens_mended)
        if events is not None:
            skipped.update(counts)
            return events
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
    found = somehow_events_of(text, skipped)
    return found[0] if found is not None and len(found) == 1 else None
