"""ROS 2 messages: CDR bytes <-> plain values by a definition.

Every length is held against the bytes that are left before anything is made of it. That is why this is not done by
`mcap_ros2`: it takes lengths as they come, so one flipped bit gives a string that is silently short, or a loop over
4,294,967,295 structs that are not there. The tests hold what is read here against what it reads.

Source: OMG DDSI-RTPS 2.5, section 10 (plain CDR, as ROS 2 writes it): a head of four bytes, then values in order, each
number aligned to its own size; strings and sequences begin with their length (uint32).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from drivetrain.core.errors import SampleError
from drivetrain.data.sources.ros2msg import PRIMITIVES, Definition, Field

_HEAD = 4
_MOST_PADDING = 7  # at the end; more means that the definition is not that of the bytes
_CODES = {"u1": "B", "i1": "b", "i2": "h", "u2": "H", "i4": "i", "u4": "I", "i8": "q", "u8": "Q", "f4": "f", "f8": "d"}
_BYTES = ("uint8", "byte")  # arrays of these are bytes


def decode(definition: Definition, data: bytes) -> dict[str, Any]:
    """A message's values by field: numbers, bool, str, bytes (of uint8), lists and dicts.

    Raises: SampleError: the bytes are not a message of this type.
    """
    if len(data) < _HEAD or data[0] != 0 or data[1] > 1:
        raise SampleError(f"{len(data)} bytes do not begin as a CDR message: {data[:_HEAD].hex(' ')}")
    if definition.least_bytes[definition.name] > max(1, len(data) - _HEAD):
        raise SampleError(f"{len(data)} bytes are too few for a {definition.name}")
    reader = _Reader(definition, data)
    try:
        value = reader.struct(definition.name)
    except (UnicodeDecodeError, RecursionError) as exc:
        raise SampleError(f"the bytes are no {definition.name}: {exc}") from exc
    if reader.num_left > _MOST_PADDING:
        raise SampleError(f"the bytes are no {definition.name}: {reader.num_left:,} are left over")
    return value


class _Reader:
    def __init__(self, definition: Definition, data: bytes) -> None:
        self._definition = definition
        self._data = data
        self._at = _HEAD
        self._order = "<" if data[1] else ">"

    @property
    def num_left(self) -> int:
        """Bytes not read yet."""
        return len(self._data) - self._at

    def struct(self, name: str) -> dict[str, Any]:
        fields = self._definition.structs[name]
        if not fields:  # an empty struct has one byte, since IDL has none without a member
            self._take(1, 1)
        return {field.name: self._field(field) for field in fields}

    def _field(self, field: Field) -> Any:
        if field.length is None:
            return self._one(field.type)
        count = field.length or self._number("u4")
        if field.type in PRIMITIVES:
            return self._numbers(field.type, count)
        least = 4 if field.type == "string" else self._definition.least_bytes[field.type]
        self._check(count * least)
        return [self._one(field.type) for _ in range(count)]

    def _one(self, kind: str) -> Any:
        if kind == "string":
            return self._text()
        if kind not in PRIMITIVES:
            return self.struct(kind)
        value = self._number(PRIMITIVES[kind])
        return bool(value) if kind == "bool" else value

    def _number(self, code: str) -> Any:
        at = self._take(int(code[1]), int(code[1]))
        return struct.unpack_from(self._order + _CODES[code], self._data, at)[0]

    def _numbers(self, kind: str, count: int) -> Any:
        code = PRIMITIVES[kind]
        if not count:
            return b"" if kind in _BYTES else []
        at = self._take(count * int(code[1]), int(code[1]))
        if kind in _BYTES:
            return self._data[at : at + count]
        values = np.frombuffer(self._data, self._order + code, count, at)
        return (values != 0).tolist() if kind == "bool" else values.tolist()

    def _text(self) -> str:
        length = self._number("u4")
        at = self._take(length, 1)
        return self._data[at : at + max(0, length - 1)].decode()  # the last byte is a zero

    def _take(self, num_bytes: int, alignment: int) -> int:
        """Where the next bytes begin; steps over them."""
        at = self._at + (_HEAD - self._at) % alignment
        self._at = at
        self._check(num_bytes)
        self._at = at + num_bytes
        return at

    def _check(self, num_bytes: int) -> None:
        if num_bytes > self.num_left:
            raise SampleError(
                f"the bytes are no {self._definition.name}: {num_bytes:,} more are promised at byte {self._at}, "
                f"{max(0, self.num_left):,} are there"
            )


def encode(definition: Definition, value: Mapping[str, Any]) -> bytes:
    """CDR bytes (little-endian) of a message's values by field; an absent field is a KeyError."""
    out = bytearray(b"\0\1\0\0")
    _write_struct(out, definition, definition.name, value)
    return bytes(out)


def _write_struct(out: bytearray, definition: Definition, name: str, value: Mapping[str, Any]) -> None:
    if not definition.structs[name]:
        _write_number(out, "u1", 0)
    for field in definition.structs[name]:
        given = value[field.name]
        if field.length is None:
            _write_one(out, definition, field.type, given)
            continue
        if not field.length:
            _write_number(out, "u4", len(given))
        if field.type in _BYTES:
            out += given
        else:
            for item in given:
                _write_one(out, definition, field.type, item)


def _write_one(out: bytearray, definition: Definition, kind: str, value: Any) -> None:
    if kind == "string":
        text = value.encode()
        _write_number(out, "u4", len(text) + 1)
        out += text + b"\0"
    elif kind in PRIMITIVES:
        _write_number(out, PRIMITIVES[kind], value)
    else:
        _write_struct(out, definition, kind, value)


def _write_number(out: bytearray, code: str, value: Any) -> None:
    out += b"\0" * ((_HEAD - len(out)) % int(code[1]))
    out += struct.pack("<" + _CODES[code], value)
