"""Numbers out of files that people have: CSV with or without a header, one number a line, JSON arrays."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import msgspec

from drivetrain.core.errors import DataError, UsageError
from drivetrain.core.units import bytes_text

_LARGEST_BYTES = 128 << 20
_DELIMITERS = (",", ";", "\t")
_ABSENT = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "?"})
_KINDS_OF_TIME = ("time", "date", "timestamp", "index", "commit", "revision", "version", "step", "t", "x", "id", "#")


@dataclass(frozen=True, slots=True)
class Series:
    """A series as it stood in a file.

    Attributes:
      name: of the column; empty where it has none.
      values: in order of the lines; not a number where there is none.
      labels: of the first column beside each value, such as its time; empty where there is only one column.
    """

    name: str
    values: tuple[float, ...]
    labels: tuple[str, ...] = ()


def read_series(path: Path, column: str = "") -> list[Series]:
    """All series of a file; or the one of a column.

    A file that begins with `[` or `{` is JSON: an array of numbers, of pairs (time, value) or of objects, or an object
    of arrays by name. Any other is a table: comma, semicolon or tab between columns, or white space; lines that begin
    with `#` and empty lines are left out; the first line is a header where it has a word in a column of numbers. Of
    several columns, the first is the time when its name or its content says so, and the others are series.

    Args:
      path: of at most 128 MiB.
      column: name of the wanted one, or its number from 1.
    Raises:
      DataError: the file is missing, too large, or holds no numbers.
      UsageError: it has no such column.
    """
    found = (
        _json_series(path, text) if (text := _text_of(path)).lstrip()[:1] in ("[", "{") else _table_series(path, text)
    )
    if not found:
        raise DataError(
            f"{path} holds no numbers", hint="one number a line, CSV with a column of numbers, or a JSON array"
        )
    return [_chosen(path, found, column)] if column else found


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)  # what it says of its size need not be true: a pipe, a device
        if len(content) > _LARGEST_BYTES:
            raise DataError(f"{path} is no series: it is larger than {bytes_text(_LARGEST_BYTES)}")
        text = content.decode("utf-8-sig")
    except OSError as exc:
        raise DataError(f"cannot read {path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise DataError(f"{path} is no text: byte {exc.start} is not UTF-8") from exc
    if "\0" in text:
        raise DataError(f"{path} is no text: it holds zero bytes")
    return text


def _table_series(path: Path, text: str) -> list[Series]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    rows = _rows(path, lines)
    if not rows:
        return []
    width = max(map(len, rows))
    columns = [[row[at] if at < len(row) else "" for row in rows] for at in range(width)]
    is_header = _is_header(columns)
    header = [name.strip() for name in rows[0]] if is_header else []
    columns = [column[is_header:] for column in columns]
    names = [header[at] if at < len(header) else "" for at in range(width)]
    return _of_columns(path, names, columns)


def _is_header(columns: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns: it holds no number, or a word on top of nothing but numbers."""
    if any(_is_series(list(map(_number, rest))) for first, *rest in columns if _number(first) is None):
        return True
    has_numbers = any(_is_finite(_number(cell)) for column in columns for cell in column[1:])
    return has_numbers and all(_number(column[0]) is None for column in columns)


def _rows(path: Path, lines: list[str]) -> list[list[str]]:
    """Lines as cells; the delimiter is the one that the first lines have equally often."""
    head = lines[:20]
    counts = {one: min((line.count(one) for line in head[-5:]), default=0) for one in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda one: counts[one])
    if not counts[delimiter]:
        is_even = len({len(line.split()) for line in lines}) == 1
        return [[cell.strip('"') for cell in (line.split() if is_even else [line.strip()])] for line in lines]
    try:
        is_decimal = delimiter == ";"  # where a comma is the decimal sign, columns are parted by semicolons
        rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter, skipinitialspace=True))
    except csv.Error as exc:
        raise DataError(f"{path} is no table that we can read: {exc}") from exc
    return [[cell.replace(",", ".") for cell in row] for row in rows] if is_decimal else rows


def _of_columns(path: Path, names: Sequence[str], columns: Sequence[Sequence[str]]) -> list[Series]:
    """A series for each column of numbers, with the first column as labels where that is none."""
    numbers = [[_number(cell) for cell in cells] for cells in columns]
    are_series = [_is_series(column) for column in numbers]
    is_time = len(columns) > 1 and any(are_series[1:]) and (not are_series[0] or _is_time(names[0], numbers[0]))
    for name, column, cells, is_series in zip(names, numbers, columns, are_series, strict=True):
        if not is_series and any(_is_finite(value) for value in column):
            bad = next(at for at, value in enumerate(column) if value is None)
            if not is_time or cells is not columns[0]:
                raise DataError(
                    f"{path}: {name or 'a column of numbers'} has {cells[bad][:40]!r} in its value {bad + 1:,}",
                    hint="leave a cell empty, or write nan, where there is no value; begin comments with #",
                )
    labels = tuple(cell.strip() for cell in columns[0]) if is_time else ()
    return [
        Series(name, tuple(math.nan if value is None else value for value in column), labels)
        for at, (name, column) in enumerate(zip(names, numbers, strict=True))
        if are_series[at] and not (at == 0 and is_time)
    ]


def _number(cell: str) -> float | None:
    """Of a cell; not a number where it says that there is none, None where it is no number at all."""
    text = cell.strip()
    if text.lower() in _ABSENT:
        return math.nan
    try:
        return float(text) if "_" not in text else None
    except ValueError:
        return None


def _is_series(column: Sequence[float | None]) -> bool:
    return None not in column and any(_is_finite(value) for value in column)


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _is_time(name: str, column: Sequence[float | None]) -> bool:
    """Whether a first column orders the rows and is no measurement: by its name, or for it only ever grows."""
    if name:
        return name.strip().lower() in _KINDS_OF_TIME or _grows(column)
    return _grows(column)


def _grows(column: Sequence[float | None]) -> bool:
    known = [value for value in column if value is not None]
    return all(before < after for before, after in pairwise(known))


def _json_series(path: Path, text: str) -> list[Series]:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise DataError(f"{path} begins like JSON and is none: {exc}") from exc
    if isinstance(value, dict):
        rows = {name: column for name, column in value.items() if isinstance(column, list)}
        return [one for name, column in rows.items() for one in _of_array(path, name, column)]
    return _of_array(path, "", value)


def _of_array(path: Path, name: str, array: list[object]) -> list[Series]:
    """Series of a JSON array: of numbers, of arrays, or of objects."""
    if array and all(isinstance(row, dict) for row in array):
        names = list(dict.fromkeys(key for row in array if isinstance(row, dict) for key in row))
        columns = [[_cell(row.get(key)) for row in array if isinstance(row, dict)] for key in names]
        return _of_columns(path, names, columns)
    if array and all(isinstance(row, list) for row in array):
        width = max(len(row) for row in array if isinstance(row, list))
        columns = [
            [_cell(row[at]) if at < len(row) else "" for row in array if isinstance(row, list)] for at in range(width)
        ]
        return _of_columns(path, [name] * width, columns)
    return _of_columns(path, [name], [[_cell(value) for value in array]]) if array else []


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _chosen(path: Path, found: list[Series], column: str) -> Series:
    for one in found:
        if one.name == column:
            return one
    if column.isdecimal() and 1 <= int(column) <= len(found):
        return found[int(column) - 1]
    names = ", ".join(one.name or str(at) for at, one in enumerate(found, start=1))
    raise UsageError(f"{path} has no column {column!r}", hint=f"it has {names}")
