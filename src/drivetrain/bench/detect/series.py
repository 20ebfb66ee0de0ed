"""Numbers out of files that people have: CSV with or without a header, one number a line, JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from drivetrain.bench.detect.columns import Columns, Series, columns_of, is_finite, is_series, number_of
from drivetrain.core.errors import DataError, UsageError
from drivetrain.core.units import bytes_text

__all__ = ["Series", "read_series"]

_LARGEST_BYTES = 128 << 20
_DELIMITERS = (",", ";", "\t")
_BYTE_ORDERS = (b"\xff\xfe", b"\xfe\xff")


def read_series(path: Path, column: str = "") -> list[Series]:
    """All series of a file; or the one of a column.

    A file that begins with `[` or `{` is JSON: an array of numbers, of pairs (time, value) or of objects; an object of
    arrays by name; an object a line; or what the Turing Change Point Dataset has. Any other is a table: comma,
    semicolon or tab between columns, or white space; lines that begin with `#` and empty lines are left out; the first
    line is a header where it has a word in a column of numbers; a single line of numbers is one series. Columns that
    say when, by their name or, for the first, their content, are no series unless asked for.

    Args:
      path: of at most 128 MiB.
      column: name of the wanted one, or its number from 1 among the series.
    Raises:
      DataError: the file is missing, too large, or holds no numbers.
      UsageError: it has no such column.
    """
    text = _text_of(path)
    found = _json_series(path, text) if text.lstrip()[:1] in ("[", "{") else _table_series(path, text)
    if not found.measured:
        raise DataError(
            f"{path} holds no numbers", hint="one number a line, CSV with a column of numbers, or a JSON array"
        )
    return [_chosen(path, found, column)] if column else list(found.measured)


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)  # what it says of its size need not be true: a pipe, a device
    except OSError as exc:
        raise DataError(f"cannot read {path}: {exc.strerror}") from exc
    if len(content) > _LARGEST_BYTES:
        raise DataError(f"{path} is no series: it is larger than {bytes_text(_LARGEST_BYTES)}")
    text = _decoded(path, content)
    if "\0" in text:
        raise DataError(f"{path} is no text: it holds zero bytes")
    return text


def _decoded(path: Path, content: bytes) -> str:
    """UTF-8; UTF-16 where it says so; else Latin-1, of which every byte is a letter and digits are the same."""
    if content.startswith(_BYTE_ORDERS):
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError as exc:
            raise DataError(f"{path} is no text: it begins like UTF-16, and byte {exc.start} is none") from exc
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _table_series(path: Path, text: str) -> Columns:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if lines and lines[0].lower().startswith("sep="):  # a spreadsheet's note to itself
        lines = lines[1:]
    rows = _rows(path, lines)
    if not rows:
        return Columns()
    width = max(map(len, rows))
    if len(rows) == 1 and width > 2:
        rows, width = [[cell] for cell in rows[0]], 1
    columns = [[row[at] if at < len(row) else "" for row in rows] for at in range(width)]
    names = [column[0].strip() for column in columns] if (is_header := _is_header(columns)) else [""] * width
    return columns_of(path, names, [column[is_header:] for column in columns])


def _is_header(columns: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns: it holds no number, or a word on top of nothing but numbers."""
    if any(is_series(list(map(number_of, rest))) for first, *rest in columns if number_of(first) is None):
        return True
    has_numbers = any(is_finite(number_of(cell)) for column in columns for cell in column[1:])
    return has_numbers and all(number_of(column[0]) is None for column in columns)


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


def _json_series(path: Path, text: str) -> Columns:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as exc:
        value = _lines(text)
        if not value:
            raise DataError(f"{path} begins like JSON and is none: {exc}") from exc
    return _of_object(path, value) if isinstance(value, dict) else _of_array(path, value)


def _lines(text: str) -> list[object]:
    """The values of JSON Lines; none where it is none."""
    try:
        return list(msgspec.json.Decoder().decode_lines(text))
    except (msgspec.DecodeError, RecursionError):
        return []


def _of_object(path: Path, value: Mapping[str, object]) -> Columns:
    """Arrays by name: columns of one table where they are equally long."""
    arrays = {name: array for name, array in _arrays(value).items() if array}
    if len({len(array) for array in arrays.values()}) == 1:
        return columns_of(path, list(arrays), [[_cell(cell) for cell in array] for array in arrays.values()])
    found = [_of_array(path, array, name) for name, array in arrays.items()]
    return Columns(tuple(one for columns in found for one in columns.measured))


def _arrays(value: Mapping[str, object]) -> dict[str, list[object]]:
    """Arrays of an object by name; as the Turing Change Point Dataset has it, `raw` of `time` and of each `series`."""
    nested = value.get("series")
    if not isinstance(nested, list) or not all(isinstance(one, dict) and "raw" in one for one in nested):
        return {name: array for name, array in value.items() if isinstance(array, list)}
    time = value.get("time")
    found = {"time": time.get("raw")} if isinstance(time, dict) else {}
    found |= {str(one.get("label", at)): one["raw"] for at, one in enumerate(nested, start=1)}
    return {name: array for name, array in found.items() if isinstance(array, list)}


def _of_array(path: Path, array: Sequence[object], name: str = "") -> Columns:
    """Series of a JSON array: of numbers, of arrays, or of objects."""
    objects = [row for row in array if isinstance(row, dict)]
    rows = [row for row in array if isinstance(row, list)]
    if not array:
        return Columns()
    if len(objects) == len(array):
        names = list(dict.fromkeys(key for row in objects for key in row))
        return columns_of(path, names, [[_cell(row.get(key)) for row in objects] for key in names])
    if len(rows) == len(array):
        width = max(map(len, rows))
        columns = [[_cell(row[at]) if at < len(row) else "" for row in rows] for at in range(width)]
        return columns_of(path, [name] * width, columns)
    return columns_of(path, [name], [[_cell(value) for value in array]])


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _chosen(path: Path, found: Columns, column: str) -> Series:
    for one in (*found.measured, *found.times):
        if one.name.lower() == column.lower():
            return one
    if column.isdecimal() and 1 <= int(column) <= len(found.measured):
        return found.measured[int(column) - 1]
    names = ", ".join(one.name or str(at) for at, one in enumerate(found.measured, start=1))
    raise UsageError(f"{path} has no column {column!r}", hint=f"it has {names}")
