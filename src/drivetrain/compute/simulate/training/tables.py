"""CSV of numbers by column name; what is malformed is named with its file and line."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from drivetrain.core.errors import DataError

LARGEST_BYTES = 256 * 2**20


def read_rows(path: Path, columns: tuple[str, ...]) -> list[tuple[int, list[str]]]:
    """Line number and text of the named columns, a row each. Raises DataError: no such file or column, or no rows."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise DataError(f"{path} has {path.stat().st_size} bytes; a table here has at most {LARGEST_BYTES}")
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            names = next(reader, [])
            missing = [name for name in columns if name not in names]
            if missing:
                raise DataError(f"{path} has no column {missing[0]}", hint=f"it needs {', '.join(columns)}")
            at = [names.index(name) for name in columns]
            rows = [(reader.line_num, row) for row in reader if row]
    except FileNotFoundError as exc:
        raise DataError(f"there is no file {path}") from exc
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise DataError(f"{path} cannot be read as CSV: {exc}") from exc
    short = [line for line, row in rows if len(row) != len(names)]
    if short:
        raise DataError(f"{path}, line {short[0]}: not {len(names)} values, as its first line has")
    if not rows:
        raise DataError(f"{path} has no rows")
    return [(line, [row[k] for k in at]) for line, row in rows]


def read_table(path: Path, columns: tuple[str, ...]) -> npt.NDArray[np.float64]:
    """The named columns as numbers, float64 [rows, columns]. Raises DataError: see `read_rows`, or not a number."""
    rows = read_rows(path, columns)
    for line, row in rows:
        for name, text in zip(columns, row, strict=True):
            if not _is_number(text):
                raise DataError(f"{path}, line {line}: {name} is {text!r}, not a finite number of at least 0")
    return np.array([[float(text) for text in row] for _, row in rows])


def _is_number(text: str) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return math.isfinite(value) and value >= 0
