"""Ranks over time: each a band of thin sub-rows, so that a short stall shows beside what fills most of its pixel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from drivetrain.core.units import NS_PER_S, count_text, duration_text
from drivetrain.figures.axes import nice_time_ticks_s, time_tick_text
from drivetrain.figures.fills import paint, stacking_order, tiles
from drivetrain.figures.svg import Markup, element, figure, join, number

_WIDTH = 960
_LEFT = 56
NUM_COLUMNS = 896  # one pixel each at natural size; a power of two times 7, so that it halves
_MAX_CELLS = 16_000  # rectangles in one figure, about 15 bytes each: the figure stays below a quarter of a megabyte
_AXIS = 24


class Span(NamedTuple):
    """One stretch of one rank's time in one leaf, ns on a common clock; spans of a rank do not overlap."""

    rank: int
    start_ns: int
    end_ns: int
    leaf: str


Column = dict[str, float]
"""Nanoseconds by leaf within one bucket of time."""


class Cell(NamedTuple):
    """A rectangle of one leaf: columns [x, x + width), sub-rows [y, y + height)."""

    leaf: str
    x: int
    y: int
    width: int
    height: int


def rank_timeline(
    spans: Iterable[Span], start_ns: int, end_ns: int, *, key: str, title: str = "Each rank over time"
) -> Markup:
    """A band per rank, each column of it split into sub-rows by what the rank did in that stretch of time.

    A leaf that appears in a column has at least one sub-row there, unless many others take more time in it. The size of
    the figure is bounded: neighbouring columns merge when there are many ranks or many changes.

    Args:
      spans: in any order.
      start_ns: left end of the axis.
      end_ns: right end.
      key: starts the ids inside; unique in the page.
      title: for screen readers.
    """
    buckets = bucket_spans(spans, start_ns, end_ns)
    bands = {f"rank {rank}": buckets[rank] for rank in sorted(buckets)}
    return band_timeline(bands, end_ns - start_ns, key=key, title=title, what="rank")


def band_timeline(
    bands: Mapping[str, Sequence[Column]], length_ns: int, *, key: str, title: str, what: str = "band"
) -> Markup:
    """The same of anything that has a name and was cut into columns before.

    Args:
      bands: name -> `NUM_COLUMNS` columns, equal stretches of the whole.
      length_ns: of the whole.
      key: starts the ids inside; unique in the page.
      title: for screen readers.
      what: one band is, in a word.
    """
    num_subrows, unit = _band_shape(len(bands))
    drawn, scale = _cells_within_budget([list(columns) for columns in bands.values()], num_subrows, length_ns)
    pitch = num_subrows * unit + (6 if unit > 1 else 2)
    body_height = max(pitch * len(bands), 24)
    leaves = stacking_order({cell.leaf for band in drawn for cell in band})
    paths = [_leaf_path(leaf, drawn, scale, unit, pitch, key) for leaf in leaves]
    seen = ", ".join(leaves) or "none"
    return figure(
        _WIDTH,
        body_height + _AXIS,
        tiles(leaves, key),
        _time_axis(length_ns / NS_PER_S, body_height),
        *_names(list(bands), pitch, num_subrows * unit),
        *paths,
        key=key,
        title=title,
        desc=f"{count_text(len(bands), what)} over {duration_text(length_ns)}; states seen: {seen}.",
    )


def bucket_spans(
    spans: Iterable[Span], start_ns: int, end_ns: int, num_columns: int = NUM_COLUMNS
) -> dict[int, list[Column]]:
    """How long each rank spent in each leaf within each of `num_columns` equal stretches of [start_ns, end_ns]."""
    length = max(end_ns - start_ns, 1)
    buckets: dict[int, list[Column]] = {}
    for rank, span_start, span_end, leaf in spans:
        if rank not in buckets:
            buckets[rank] = [{} for _ in range(num_columns)]
        columns = buckets[rank]
        begin, end = max(span_start, start_ns) - start_ns, min(span_end, end_ns) - start_ns
        if begin >= end:
            continue
        for index in range(begin * num_columns // length, min((end * num_columns - 1) // length, num_columns - 1) + 1):
            left, right = index * length / num_columns, (index + 1) * length / num_columns
            columns[index][leaf] = columns[index].get(leaf, 0.0) + min(end, right) - max(begin, left)
    return buckets


def split_column(column: Column, num_subrows: int, capacity: float) -> list[tuple[str, int]]:
    """Sub-rows per leaf, in stacking order: near their shares, but at least one for each leaf that is there.

    Half as many leaves as sub-rows are shown, those with the most time: the least could else crowd out what is most.

    Args:
      column: nanoseconds by leaf.
      num_subrows: how many there are; time in no leaf leaves its part empty.
      capacity: nanoseconds of the whole column.
    """
    present = stacking_order(leaf for leaf, ns in column.items() if ns > 0)
    if len(present) > num_subrows // 2:
        kept = sorted(present, key=lambda leaf: column[leaf])[-(num_subrows // 2) :]
        present = [leaf for leaf in present if leaf in kept]
    if not present:
        return []
    filled = sum(column[leaf] for leaf in present)
    rows_to_fill = max(len(present), min(num_subrows, round(num_subrows * sum(column.values()) / capacity)))
    rows = {leaf: max(1, int(rows_to_fill * column[leaf] / filled)) for leaf in present}
    while sum(rows.values()) != rows_to_fill:
        missing = rows_to_fill - sum(rows.values())
        over = {leaf: rows[leaf] - rows_to_fill * column[leaf] / filled for leaf in present}
        if missing > 0:
            rows[min(present, key=lambda leaf: over[leaf])] += 1
        else:
            rows[max((leaf for leaf in present if rows[leaf] > 1), key=lambda leaf: over[leaf])] -= 1
    return [(leaf, rows[leaf]) for leaf in present]


def _band_shape(num_ranks: int) -> tuple[int, int]:
    """Sub-rows of a band and pixels of a sub-row."""
    if num_ranks <= 4:
        return 14, 2
    return (8, 2) if num_ranks <= 16 else (8, 1)


def _cells_within_budget(
    ranks: Sequence[list[Column]], num_subrows: int, length_ns: int
) -> tuple[list[list[Cell]], int]:
    """Each rank's rectangles, and how many pixels wide a column became to keep their number in bounds."""
    num_columns, scale = NUM_COLUMNS, 1
    while True:
        bands = [_cells(columns, num_subrows, length_ns / num_columns) for columns in ranks]
        if sum(map(len, bands)) <= _MAX_CELLS or num_columns % 2:
            return bands, scale
        ranks = [_halved(columns) for columns in ranks]
        num_columns, scale = num_columns // 2, scale * 2


def _halved(columns: list[Column]) -> list[Column]:
    merged: list[Column] = []
    for left, right in zip(columns[::2], columns[1::2], strict=True):
        both = dict(left)
        for leaf, ns in right.items():
            both[leaf] = both.get(leaf, 0.0) + ns
        merged.append(both)
    return merged


def _cells(columns: list[Column], num_subrows: int, capacity: float) -> list[Cell]:
    """Rectangles of one band; a piece that goes on unchanged in the next column is one rectangle with it."""
    cells: list[Cell] = []
    going_on: dict[tuple[str, int, int], int] = {}  # (leaf, y, height) -> index of its cell, if it reaches this column
    for x, column in enumerate(columns):
        y, reached = 0, {}
        for leaf, height in split_column(column, num_subrows, capacity):
            place = (leaf, y, height)
            if place in going_on:
                index = going_on[place]
                cells[index] = cells[index]._replace(width=cells[index].width + 1)
            else:
                index = len(cells)
                cells.append(Cell(leaf, x, y, 1, height))
            reached[place] = index
            y += height
        going_on = reached
    return cells


def _leaf_path(leaf: str, bands: Sequence[list[Cell]], scale: int, unit: int, pitch: int, key: str) -> Markup:
    parts = []
    for row, band in enumerate(bands):
        for cell in band:
            if cell.leaf == leaf:
                x, y = _LEFT + cell.x * scale, row * pitch + cell.y * unit
                parts.append(f"M{x} {y}h{cell.width * scale}v{cell.height * unit}h-{cell.width * scale}z")
    return element("path", element("title", leaf), d="".join(parts), **paint(leaf, key))


def _time_axis(length_s: float, body_height: int) -> Markup:
    ticks = nice_time_ticks_s(length_s)
    marks = []
    for tick in ticks:
        x = _LEFT + NUM_COLUMNS * tick / length_s if length_s > 0 else _LEFT
        marks.append(element("path", class_="rule", d=f"M{number(x)} 0V{body_height + 4}"))
        anchor = "end" if x > _LEFT + NUM_COLUMNS - 12 else "middle"
        marks.append(element("text", time_tick_text(tick, ticks), x=x, y=body_height + 17, text_anchor=anchor))
    return join(*marks)


def _names(names: Sequence[str], pitch: int, band_height: int) -> list[Markup]:
    every = 1 if pitch >= 14 else 4
    middle = band_height / 2 + 4
    return [
        element("text", name, x=_LEFT - 8, y=row * pitch + middle, text_anchor="end")
        for row, name in enumerate(names)
        if row % every == 0
    ]
