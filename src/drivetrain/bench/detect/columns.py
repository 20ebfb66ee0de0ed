"""Columns of cells -> series of numbers: which of them are measured, and which say when."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from drivetrain.core.errors import DataError

_ABSENT = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "nil", "-", "?", "."})
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")  # 1,234,567.8
_TIMES = frozenset(
    {"time", "date", "datetime", "timestamp", "when", "year", "month", "week", "day", "hour"}
) | frozenset({"index", "idx", "commit", "commits", "sha", "hash", "revision", "rev", "version", "build"})
_TIMES_IF_FIRST = frozenset({"t", "x", "i", "n", "id", "#", "no", "step", "run", "epoch", "order"})


@dataclass(frozen=True, slots=True)
class Series:
    """A series as it stood in a file.

    Attributes:
      name: of the column; empty where it has none.
      values: in order of the lines; not a number where there is none.
      labels: of the column beside that says when; empty where there is none.
    """

    name: str
    values: tuple[float, ...]
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Columns:
    """Series of a table.

    Attributes:
      measured: those that are meant.
      times: columns of numbers that say when, and are a series only for who asks for them.
    """

    measured: tuple[Series, ...] = ()
    times: tuple[Series, ...] = ()


def columns_of(path: Path, names: Sequence[str], cells: Sequence[Sequence[str]]) -> Columns:
    """The series among columns.

    A column whose name is that of a time says when. Where none has such a name, the first of several does, when it is
    of words or only grows. Columns of words are none of both.

    Args:
      path: for errors.
      names: one a column; empty ones where it has none.
      cells: one sequence a column, of the same length.
    Raises:
      DataError: a word stands among numbers.
    """
    numbers = [[number_of(cell) for cell in column] for column in cells]
    for name, column, words in zip(names, numbers, cells, strict=True):
        _check(path, name, column, words)
    found = [at for at, column in enumerate(numbers) if is_series(column)]
    times = [at for at, name in enumerate(names) if name.lower() in _TIMES]
    if not times and len(cells) > 1 and (0 not in found or _says_when(names[0], numbers[0])):
        times = [0]
    if set(found) <= set(times):
        times = [at for at in times if at not in found[-1:]]
    labels = tuple(cell.strip() for cell in cells[times[0]]) if times and found else ()
    series = {
        at: Series(names[at], tuple(math.nan if value is None else value for value in numbers[at]), labels)
        for at in found
    }
    return Columns(
        tuple(series[at] for at in found if at not in times), tuple(series[at] for at in found if at in times)
    )


def number_of(cell: str) -> float | None:
    """Of a cell; not a number where it says that there is none, None where it is no number at all."""
    text = cell.strip().removesuffix("%")
    if text.lower() in _ABSENT:
        return math.nan
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    try:
        return float(text) if "_" not in text else None
    except ValueError:
        return None


def is_series(column: Sequence[float | None]) -> bool:
    """Whether a column is of numbers alone, and has one."""
    return None not in column and any(map(is_finite, column))


def is_finite(value: float | None) -> bool:
    """Whether it is a number, and no infinite one."""
    return value is not None and math.isfinite(value)


def _check(path: Path, name: str, column: Sequence[float | None], cells: Sequence[str]) -> None:
    """Refuse a column of numbers with a word in it; one that has as many words is of words."""
    num_words = column.count(None)
    if not num_words or sum(map(is_finite, column)) <= num_words:
        return
    bad = column.index(None)
    raise DataError(
        f"{path}: {name or 'a column of numbers'} has {cells[bad][:40]!r} in its value {bad + 1:,}",
        hint="leave a cell empty, or write nan, where there is no value; begin comments with #",
    )


def _says_when(name: str, column: Sequence[float | None]) -> bool:
    """Whether a first column of numbers is the order of the rows and no measurement: by its name, or it only grows."""
    known = [value for value in column if value is not None and math.isfinite(value)]
    return name.lower() in _TIMES_IF_FIRST or all(before < after for before, after in pairwise(known))
