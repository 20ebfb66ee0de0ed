"""Steps, or ranks, side by side: each a column whose pieces are its parts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from drivetrain.core.units import NS_PER_MS, duration_text
from drivetrain.figures.axes import nice_ticks, tick_text
from drivetrain.figures.fills import paint, stacking_order, tiles
from drivetrain.figures.svg import Markup, element, figure, number, text_width

_WIDTH, _HEIGHT = 960, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 10, 34
_PLOT_WIDTH, _PLOT_HEIGHT = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
_MOST_COLUMNS = 296  # three pixels each
_WIDEST = 64  # unless names need more
_LABEL_GAP = 10

Stack = tuple[str, Mapping[str, int]]
"""A column's name and its parts, ns."""


def stack_chart(stacks: Sequence[Stack], *, key: str, title: str, x_label: str) -> Markup:
    """Columns of stacked parts over milliseconds; too many are merged into means of neighbours, as the axis says.

    Args:
      stacks: from left to right.
      key: starts the ids inside; unique in the page.
      title: for screen readers.
      x_label: what a column is, under the axis.
    """
    columns, num_merged = _merged(stacks)
    order = stacking_order({part for _, parts in columns for part in parts})
    highest_ns = max((sum(parts.values()) for _, parts in columns), default=0.0) or 1.0
    label_width = max((text_width(name) for name, _ in columns), default=0.0) + _LABEL_GAP
    pitch = min(_PLOT_WIDTH / max(len(columns), 1), max(label_width, float(_WIDEST)))
    paths = [_part_path(part, columns, pitch, highest_ns, key) for part in reversed(order)]
    label = f"{x_label}, {num_merged} to a column" if num_merged > 1 else x_label
    longest = max((sum(parts.values()) for _, parts in stacks), default=0)
    return figure(
        _WIDTH,
        _HEIGHT,
        tiles(order, key),
        *_axis(highest_ns),
        *paths,
        *_labels([name for name, _ in columns], pitch, label_width, label),
        key=key,
        title=title,
        desc=f"{len(stacks)} columns, the longest {duration_text(longest)}; parts: {', '.join(order) or 'none'}.",
    )


def _merged(stacks: Sequence[Stack]) -> tuple[list[tuple[str, dict[str, float]]], int]:
    """Columns of equally many neighbours each, and how many those are."""
    each = -(-len(stacks) // _MOST_COLUMNS) or 1
    columns = []
    for start in range(0, len(stacks), each):
        group = stacks[start : start + each]
        parts = {part for _, one in group for part in one}
        columns.append((group[0][0], {part: sum(one.get(part, 0) for _, one in group) / len(group) for part in parts}))
    return columns, each


def _part_path(
    part: str, columns: Sequence[tuple[str, Mapping[str, float]]], pitch: float, highest_ns: float, key: str
) -> Markup:
    """All pieces of one part, each standing on those that come after it in stacking order."""
    gap = 1 if pitch > 4 else 0
    shapes = []
    for index, (_, parts) in enumerate(columns):
        below = sum(ns for other, ns in parts.items() if _stands_on(part, other))
        height = _PLOT_HEIGHT * parts.get(part, 0) / highest_ns
        if height > 0:
            x, y = _LEFT + index * pitch, _TOP + _PLOT_HEIGHT * (1 - below / highest_ns) - height
            shapes.append(f"M{number(x)} {number(y)}h{number(pitch - gap)}v{number(height)}h-{number(pitch - gap)}z")
    return element("path", element("title", part), d="".join(shapes) or None, **paint(part, key))


def _stands_on(part: str, other: str) -> bool:
    return part != other and stacking_order((part, other))[0] == other


def _axis(highest_ns: float) -> list[Markup]:
    ticks = nice_ticks(0.0, highest_ns / NS_PER_MS, num_wanted=4)
    marks = []
    for tick in ticks:
        y = round(_TOP + _PLOT_HEIGHT * (1 - tick * NS_PER_MS / highest_ns)) + 0.5
        marks.append(element("path", class_="rule", d=f"M{_LEFT} {number(y)}H{_LEFT + _PLOT_WIDTH}"))
        marks.append(element("text", f"{tick_text(tick, ticks)} ms", x=_LEFT - 6, y=y + 3.5, text_anchor="end"))
    return marks


def _labels(names: Sequence[str], pitch: float, label_width: float, x_label: str) -> list[Markup]:
    bottom = _TOP + _PLOT_HEIGHT
    every = max(1, math.ceil(label_width / pitch - 1e-9))
    marks = [
        element("text", name, x=_LEFT + (index + 0.5) * pitch, y=bottom + 14, text_anchor="middle")
        for index, name in enumerate(names)
        if index % every == 0
    ]
    axis = element("path", class_="axis", d=f"M{_LEFT} {bottom}.5H{_LEFT + _PLOT_WIDTH}")
    caption = element("text", x_label, class_="faint", x=_LEFT + _PLOT_WIDTH, y=bottom + 28, text_anchor="end")
    return [axis, *marks, caption]
