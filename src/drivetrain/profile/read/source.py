"""The bytes of a file, plain or gzipped, a piece at a time."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from drivetrain.core.errors import DataError

PIECE_BYTES = 1 << 18
_PACKED_BYTES = 1 << 14
_UNPACKED_BYTES = 1 << 16
"""At once of compressed text: what damage takes with it of the text before."""
_GZIP = b"\x1f\x8b"


def pieces(path: Path, skipped: Counter[str], advance: Callable[[int], None] | None = None) -> Iterator[bytes]:
    """What is in the file; of a compressed one that is cut off or damaged, what comes before.

    Args:
      advance: called with how many bytes of the file have been read.
    Raises: DataError: it cannot be opened.
    """
    try:
        file = path.open("rb")
    except OSError as exc:
        raise DataError(f"cannot read {path}: {exc.strerror}") from exc
    with file:
        first = file.read(_PACKED_BYTES)
        text = _inflated(file, first, skipped) if first.startswith(_GZIP) else _plain(file, first)
        for piece in text:
            yield piece
            if advance is not None:
                advance(file.tell())


def _plain(file: BinaryIO, piece: bytes) -> Iterator[bytes]:
    while piece:
        yield piece
        piece = file.read(PIECE_BYTES)


def _inflated(file: BinaryIO, data: bytes, skipped: Counter[str]) -> Iterator[bytes]:
    """Members of gzip one after another, as one text. Zeros after the last are padding."""
    make, failure = _decompression()
    inflater = make(wbits=31)
    while True:
        try:
            piece = inflater.decompress(data, _UNPACKED_BYTES)
        except failure:
            skipped["the rest of a compressed file that is damaged"] += 1
            return
        if piece:
            yield piece
        if inflater.eof:
            data = (inflater.unused_data or file.read(_PACKED_BYTES)).lstrip(b"\0")
            while not data and (data := file.read(_PACKED_BYTES)):
                data = data.lstrip(b"\0")
            if not data:
                return
            inflater = make(wbits=31)
        else:
            data = inflater.unconsumed_tail or file.read(_PACKED_BYTES)
            if not data and not piece:
                skipped["the end of a compressed file that is cut off"] += 1
                return


def _decompression() -> tuple[Any, Any]:
    """How to make an inflater, and what it raises: isal's is three times as fast as zlib's."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib.decompressobj, zlib.error
    return isal_zlib.decompressobj, isal_zlib.error
