"""Metrics over steps: one chart for each group of names, and the same in numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from drivetrain.figures import Markup, Series, element, line_chart
from drivetrain.report.html import section, table
from drivetrain.report.story import Scalars, Story

_MOST_CURVES = 24
_MOST_IN_CHART = 8
_POINTS_IN_ALL = 20_000


def curves_section(story: Story) -> Markup:
    """Every metric that the run logged; names that share a part before `/` share a chart."""
    names = sorted(story.scalars)
    if not names:
        return Markup("")
    shown = names[:_MOST_CURVES]
    max_points = min(2000, _POINTS_IN_ALL // len(shown))
    charts = [
        _chart(index, group, chunk, story.scalars, max_points)
        for index, (group, chunk) in enumerate(group_names(shown))
    ]
    rows = [_row(name, story.scalars[name]) for name in shown]
    columns = ["metric", "#values", "#first", "#lowest", "#at step", "#highest", "#at step", "#last", "#at step"]
    note = "by step; of steps that were redone the last value counts"
    if len(shown) < len(names):
        note += f"; {len(names) - len(shown)} more metrics left out"
    numbers = table(columns, rows, caption="Metrics in numbers")
    return section("Curves", element("div", *charts, class_="charts"), numbers, note=note)


def group_names(names: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Charts: (title, names in it). Loss first, then by title; a large group fills several charts."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.partition("/")[0], []).append(name)
    ordered = sorted(groups.items(), key=lambda item: ("loss" not in item[0], item[0]))
    return [
        (title, members[start : start + _MOST_IN_CHART])
        for title, members in ordered
        for start in range(0, len(members), _MOST_IN_CHART)
    ]


def _chart(index: int, group: str, names: Sequence[str], scalars: Scalars, max_points: int) -> Markup:
    series = [
        Series(name.partition("/")[2] or name, [(step, value) for step, _, value in scalars[name]]) for name in names
    ]
    chart = line_chart(series, key=f"curve-{index}", title=f"{group} over steps", max_points=max_points)
    return element("div", element("h3", group), chart)


def _row(name: str, points: Sequence[tuple[int, int, float]]) -> list[str]:
    finite = [(step, value) for step, _, value in points if math.isfinite(value)]
    num_bad = len(points) - len(finite)
    count = f"{len(points):,}" + (f", {num_bad} not finite" if num_bad else "")
    if not finite:
        return [name, count, *["–"] * 7]
    low, high = min(finite, key=lambda point: point[1]), max(finite, key=lambda point: point[1])
    cells = [name, count, _figures(finite[0][1])]
    for step, value in (low, high, finite[-1]):
        cells += [_figures(value), f"{step:,}"]
    return cells


def _figures(value: float) -> str:
    """Four figures, trailing zeros too, so that a column of them lines up."""
    return f"{value:#.4g}".removesuffix(".")
