"""Events some of whose fields are of other types than they should be -> events without those fields."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec.structs import fields

from drivetrain.profile.read.events import Args, RawEvent

_Typed = TypeVar("_Typed", bound=msgspec.Struct)


def loose_events_of(text: bytes, skipped: Counter[str], *, may_be_large: bool) -> list[RawEvent] | None:
    """All events of a text that is nothing but JSON objects with commas between; None where it is not.

    Args:
      text: of them.
      skipped: fields that were left out are counted.
      may_be_large: numbers may be too large for a float; takes longer.
    """
    values = _decoded(b"".join((b"[", text, b"]")), may_be_large=may_be_large)
    if values is None or not all(isinstance(value, dict) for value in values):
        return None
    return [_event(value, skipped) for value in values]


def _decoded(array: bytes, *, may_be_large: bool) -> list[Any] | None:
    try:
        found: list[Any] = json.loads(array) if may_be_large else msgspec.json.decode(array)
    except (ValueError, RecursionError):
        return None
    return found


def _event(value: dict[str, Any], skipped: Counter[str]) -> RawEvent:
    args = value.pop("args", None)
    event = _typed(RawEvent, _EVENT, value, skipped)
    if isinstance(args, dict):
        event.args = _typed(Args, _ARGS, args, skipped)
    elif args is not None:
        skipped["a field of another type"] += 1
    return event


def _typed(
    of: type[_Typed],
    takers: Mapping[str, tuple[str, Callable[[Any], Any]]],
    values: dict[str, Any],
    skipped: Counter[str],
) -> _Typed:
    found = {}
    for key, value in values.items():
        if key in takers:
            name, take = takers[key]
            try:
                found[name] = take(value)
            except (ValueError, TypeError, OverflowError):
                skipped["a field of another type"] += 1
    return of(**found)


def _number(value: object) -> float | None:
    if value is None or isinstance(value, float):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError
    return float(value)


def _integer(value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, str) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    raise TypeError


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise TypeError
    return str(value)


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


_TAKE: dict[object, Callable[[Any], Any]] = {
    float | None: _number,
    int | None: _integer,
    str: _text,
    int | str: _text,
    str | None: _text_or_none,
    str | int | None: _text_or_none,
    msgspec.Raw: _raw,
}
_EVENT = {each.encode_name: (each.name, _TAKE[each.type]) for each in fields(RawEvent) if each.name != "args"}
_ARGS = {each.encode_name: (each.name, _TAKE[each.type]) for each in fields(Args)}
