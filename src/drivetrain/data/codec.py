"""A part of a sample <-> bytes; its ending names its codec, so that any tool can read a shard.

jpg    an RGB image, uint8, HW3 (lossy)
png    a label map, uint8, HW
npy    any NumPy array without Python objects
json   plain values: None, bool, numbers, text, lists, dicts with text keys
other  bytes as they are
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import msgspec
import numpy as np

from drivetrain.core.errors import SampleError
from drivetrain.data.jpeg import decode_jpeg, decode_labels, encode_jpeg, encode_labels

_LONG_HEADER = 1 << 16  # more than NumPy takes of a header
_PART_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[a-z0-9_]+)+")


@dataclass(frozen=True, slots=True)
class _Codec:
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes, str], object]  # of the bytes, and of words for errors that say where they are from


def codec_of(part: str) -> str:
    """The codec of a part by its ending: `jpg`, `png`, `npy`, `json`, or `bytes` for any other.

    Raises: ValueError: the name is not like `image.jpg`.
    """
    if not _PART_NAME.fullmatch(part):
        raise ValueError(f"a part is called {part!r}; expected a name and an ending, such as image.jpg or track.npy")
    ending = part.rpartition(".")[2]
    return ending if ending in _CODECS else "bytes"


def encode(part: str, value: object) -> bytes:
    """Bytes of a part's value; equal values give equal bytes.

    Raises: ValueError: the name has no ending. TypeError: an array with Python objects, or no plain value.
    """
    codec = codec_of(part)
    return _CODECS[codec].encode(value)


def decode(part: str, data: bytes, *, where: str) -> object:
    """The value of a part; arrays may be read-only.

    Args:
      part: its name.
      data: its bytes.
      where: names the bytes in errors.
    Raises: SampleError: the bytes are not what the ending says.
    """
    return _CODECS[codec_of(part)].decode(data, where)


def encode_all(values: Mapping[str, object]) -> dict[str, bytes]:
    """All parts of a sample as bytes; raises as `encode` does."""
    return {part: encode(part, value) for part, value in values.items()}


def _encode_npy(value: object) -> bytes:
    array = np.asarray(value)
    if array.dtype.hasobject:
        raise TypeError(f"an array of {array.dtype} holds Python objects; npy parts hold numbers, text or records")
    out = io.BytesIO()
    np.lib.format.write_array(out, array, allow_pickle=False)
    return out.getvalue()


def _decode_npy(data: bytes, where: str) -> object:
    """A view of the bytes: what the header claims is compared with what is there, and nothing is allocated for it."""
    try:
        header = data[: 10 + int.from_bytes(data[8:10], "little")] if data[6:7] == b"\x01" else data[:_LONG_HEADER]
        shape, in_fortran_order, dtype, begin = _npy_header(header)
        if dtype.hasobject:
            raise ValueError(f"it holds Python objects ({dtype})")
        count, size_bytes = math.prod(shape), len(data) - begin
        if count * dtype.itemsize != size_bytes:
            raise ValueError(f"{shape} values of {dtype} do not fill {size_bytes} bytes")
        flat = np.frombuffer(data, dtype, count, offset=begin) if size_bytes else np.empty(count, dtype)
    except (ValueError, TypeError, OverflowError, SyntaxError) as exc:  # the last is of a dtype that NumPy parses
        raise SampleError(f"{where} is no NumPy array ({len(data)} bytes): {exc}") from exc
    return flat.reshape(shape, order="F" if in_fortran_order else "C")


@lru_cache(maxsize=64)
def _npy_header(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, order, dtype and where values begin; cached, as reading one takes longer than reading a small array."""
    file = io.BytesIO(header)
    version = np.lib.format.read_magic(file)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return (*read_header(file), file.tell())


def _decode_json(data: bytes, where: str) -> object:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise SampleError(f"{where} is no JSON ({len(data)} bytes): {exc}") from exc


_CODECS = {
    "jpg": _Codec(encode_jpeg, lambda data, where: decode_jpeg(data, where=where)),
    "png": _Codec(encode_labels, lambda data, where: decode_labels(data, where=where)),
    "npy": _Codec(_encode_npy, _decode_npy),
    "json": _Codec(lambda value: msgspec.json.encode(value, order="deterministic"), _decode_json),
    "bytes": _Codec(lambda value: bytes(cast(bytes, value)), lambda data, _where: data),
}
