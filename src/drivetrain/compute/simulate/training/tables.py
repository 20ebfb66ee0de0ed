"""CSV of numbers by column name; what is malformed is named with its file and line."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from drivetrain.core.errors import DataError

LARGEST_BYTES = 16 * 2**20
"""Half a million jobs; what was measured of an application has under 100 KB a file."""


def read_rows(path: Path, columns: tuple[str, ...]) -> list[tuple[int, list[str]]]:
    """Line number and text of the named columns, a row each. Raises DataError: no such file or column, or no rows."""
    try:
        reader = csv.reader(io.StringIO(_text_of(path), newline=""))
        names = next(reader, [])
        missing = [name for name in columns if name not in names]
        if missing:
            said = f"has no column {missing[0]}" if names else "is empty"
            raise DataError(f"{path} {said}", hint=f"its first line has to name {', '.join(columns)}")
        at = [names.index(name) for name in columns]
        rows = [(reader.line_num, row) for row in reader if row]
    except csv.Error as exc:
        raise DataError(f"{path}, line {reader.line_num}: no CSV: {exc}") from exc
    short = [line for line, row in rows if len(row) != len(names)]
    if short:
        raise DataError(f"{path}, line {short[0]}: not {len(names)} values, as its first line has")
    if not rows:
        raise DataError(f"{path} has no rows")
    return [(line, [row[k] for k in at]) for line, row in rows]


def _text_of(path: Path) -> str:
    """All of a file, were it a pipe or a device. Raises DataError: it cannot be read, is too large, or no text."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError as exc:
        raise DataError(f"there is no file {path}") from exc
    except OSError as exc:
        raise DataError(f"{path} cannot be read: {exc.strerror}") from exc
    if len(content) > LARGEST_BYTES:
        raise DataError(f"{path} has more than {LARGEST_BYTES >> 20} MiB, and a table here has less")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise DataError(f"{path} cannot be read as CSV: byte {exc.start} is no text") from exc


def read_table(path: Path, columns: tuple[str, ...]) -> npt.NDArray[np.float64]:
    """The named columns as numbers, float64 [rows, columns]. Raises DataError: see `read_rows`, or not a number."""
    rows = read_rows(path, columns)
    for line, row in rows:
        for name, text in zip(columns, row, strict=True):
            if not _is_number(text):
                raise DataError(f"{path}, line {line}: {name} is {text[:40]!r}, not a finite number of at least 0")
    return np.array([[float(text) for text in row] for _, row in rows])


def _is_number(text: str) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return math.isfinite(value) and value >= 0
