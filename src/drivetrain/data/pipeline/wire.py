"""Entries <-> bytes, the same for equal entries: what is stored, and what goes between processes and machines.

MessagePack; nothing in it can run code. Arrays, unread parts and the values that streams give are extensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import msgspec
import numpy as np

from drivetrain.core.errors import StoreError, UsageError
from drivetrain.data.log import Box, Intrinsics, Lane, Message, Pose
from drivetrain.data.pipeline.item import Bad, Entry, Item, Unread

_ARRAY, _UNREAD, _VALUE, _TUPLE = 1, 2, 3, 4
_VALUES: dict[str, type[Any]] = {kind.__name__: kind for kind in (Box, Intrinsics, Lane, Message, Pose)}


def encode(entry: Entry) -> bytes:
    """The bytes of an entry, without its log. Raises UsageError: a part is nothing that can be stored; it is named."""
    items = [
        [item.key, item.number, _plain(item.parts, item.key), _plain(item.columns, item.key)] for item in entry.items
    ]
    bad = [[each.key, each.op, each.reason] for each in entry.bad]
    return msgspec.msgpack.encode([entry.number, items, list(entry.dropped), bad])


def decode(data: bytes | memoryview) -> Entry:
    """The entry. Arrays in it are read-only. Raises StoreError: the bytes are none of ours."""
    try:
        number, items, dropped, bad = _DECODER.decode(data)
        return Entry(
            number,
            tuple(Item(key, at, parts, columns) for key, at, parts, columns in items),
            tuple(dropped),
            tuple(Bad(*each) for each in bad),
        )
    except (msgspec.DecodeError, ValueError, TypeError, LookupError, SyntaxError, RecursionError) as exc:
        raise StoreError(f"{len(data)} bytes are no entry of a pipeline: {exc}") from exc


def _plain(value: object, where: str) -> object:
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return _array(value, where)
    if isinstance(value, Unread):
        return _ext(_UNREAD, [value.stream, value.index])
    if isinstance(value, Mapping):
        return {str(name): _plain(each, f"{where}.{name}") for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each, where) for each in value]
    if isinstance(value, tuple):
        return _ext(_TUPLE, [_plain(each, where) for each in value])
    if type(value).__name__ in _VALUES:
        content = {each.name: _plain(getattr(value, each.name), where) for each in fields(value)}  # type: ignore[arg-type]
        return _ext(_VALUE, [type(value).__name__, content])
    raise UsageError(
        f"{where} is {type(value).__name__}, which a pipeline cannot store or send to another process",
        hint="give arrays without objects, bytes, plain values, or what a stream of a log gives",
    )


def _array(value: np.ndarray[Any, Any], where: str) -> msgspec.msgpack.Ext:
    if value.dtype.kind in "OV":
        raise UsageError(f"{where} is an array of {value.dtype}, which a pipeline cannot store; split it by field")
    return _ext(_ARRAY, [value.dtype.str, list(value.shape), np.ascontiguousarray(value).tobytes()])


def _ext(code: int, content: object) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(code, msgspec.msgpack.encode(content))


def _from_ext(code: int, data: memoryview) -> object:
    content = msgspec.msgpack.decode(data, ext_hook=_from_ext)
    if code == _ARRAY:
        return np.frombuffer(content[2], np.dtype(content[0])).reshape(content[1])
    if code == _UNREAD:
        return Unread(*content)
    if code == _TUPLE:
        return tuple(content)
    return _VALUES[content[0]](**content[1])


_DECODER = msgspec.msgpack.Decoder(ext_hook=_from_ext)
