"""Curves over steps: axes with round numbers, and few enough points to paint at once without losing a spike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from drivetrain.figures.axes import nice_ticks, tick_text
from drivetrain.figures.svg import Markup, element, figure, join, number, path_of, text_width
from drivetrain.figures.tokens import SERIES

_WIDTH, _HEIGHT = 460, 232
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 22, 36
_PLOT_HEIGHT = _HEIGHT - _TOP - _BOTTOM
MAX_POINTS = 2000
_FEW_POINTS = 40  # up to here each point also gets a dot
_LABEL_PITCH = 13
_SAMPLE = 14  # of a curve, beside its name
_TOO_LARGE = 1e300

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Series:
    """One curve.

    Attributes:
      name: its label.
      points: (x, y), x ascending; a point that is not finite breaks the line there.
    """

    name: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class _Frame:
    """Data range and where it lies on the page."""

    x0: float
    x1: float
    y0: float
    y1: float
    width: float

    def place(self, point: Point) -> Point:
        x = _LEFT + self.width * (point[0] - self.x0) / (self.x1 - self.x0)
        y = _TOP + _PLOT_HEIGHT * (1 - (point[1] - self.y0) / (self.y1 - self.y0))
        return x, y


def line_chart(
    series: Sequence[Series], *, key: str, title: str, x_label: str = "step", max_points: int = MAX_POINTS
) -> Markup:
    """Curves in one frame, each labelled at its end when there are several.

    Args:
      series: in drawing order; colours follow it.
      key: starts the ids inside; unique in the page.
      title: for screen readers.
      x_label: written under the axis, with its unit.
      max_points: of one curve; more are thinned, spikes kept.
    """
    margin = (
        max((text_width(f"{one.name} 0.000") + _SAMPLE + 10 for one in series), default=0)
        if len(series) > 1
        else _RIGHT
    )
    frame = _frame([point for one in series for point in one.points], _WIDTH - _LEFT - margin)
    curves = [_curve(one, index, frame, max_points) for index, one in enumerate(series)]
    return figure(
        _WIDTH,
        _HEIGHT,
        _axes(frame, x_label),
        *curves,
        *(_end_labels(series, frame) if len(series) > 1 else []),
        element("path", class_="cursor"),
        element("text", class_="readout", x=_LEFT, y=11),
        key=key,
        title=title,
        desc=" ".join(_in_words(one) for one in series) or "No points.",
    )


def thin(points: Sequence[Point], max_points: int = MAX_POINTS) -> list[Point]:
    """At most `max_points` of the points: first, last, and the lowest and highest of each stretch between them."""
    if len(points) <= max_points:
        return list(points)
    inner = points[1:-1]
    num_buckets = max(1, (max_points - 2) // 2)
    kept = [points[0]]
    for index in range(num_buckets):
        bucket = inner[index * len(inner) // num_buckets : (index + 1) * len(inner) // num_buckets]
        low, high = min(bucket, key=_height), max(bucket, key=_height)
        kept += [low] if low == high else sorted((low, high))
    return [*kept, points[-1]]


def _can_be_drawn(point: Point) -> bool:
    """Finite, and not so large that the span of an axis would overflow."""
    return abs(point[0]) < _TOO_LARGE and abs(point[1]) < _TOO_LARGE


def _height(point: Point) -> float:
    return point[1]


def _frame(points: Sequence[Point], width: float) -> _Frame:
    finite = [point for point in points if _can_be_drawn(point)] or [(0.0, 0.0)]
    xs, ys = [x for x, _ in finite], [y for _, y in finite]
    y0, y1 = min(ys), max(ys)
    if y0 > 0 and y0 < 0.5 * y1:
        y0 = 0.0  # near enough to zero that leaving zero out would only exaggerate
    pad = 0.04 * (y1 - y0) or abs(y1) * 0.1 or 1.0
    x0, x1 = min(xs), max(xs)
    return _Frame(x0, x1 if x1 > x0 else x0 + 1, y0 if y0 == 0 else y0 - pad, y1 + pad, width)


def _finite_runs(points: Sequence[Point]) -> list[list[Point]]:
    runs: list[list[Point]] = [[]]
    for point in points:
        if _can_be_drawn(point):
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _curve(one: Series, index: int, frame: _Frame, max_points: int) -> Markup:
    runs = _finite_runs(one.points)
    num_points = sum(map(len, runs)) or 1
    placed = [[frame.place(p) for p in thin(run, max(2, max_points * len(run) // num_points))] for run in runs]
    line = element("path", class_=_line_class(index), d="".join(map(path_of, placed)), data_name=one.name)
    if num_points > _FEW_POINTS:
        return line
    dots = [
        element("circle", class_=f"dot dot-{index % len(SERIES)}", cx=x, cy=y, r=2.5) for run in placed for x, y in run
    ]
    return join(line, *dots)


def _axes(frame: _Frame, x_label: str) -> Markup:
    bottom, right = _TOP + _PLOT_HEIGHT, _LEFT + frame.width
    marks = []
    y_ticks, x_ticks = nice_ticks(frame.y0, frame.y1), _step_ticks(frame)
    for tick in y_ticks:
        y = round(frame.place((frame.x0, tick))[1]) + 0.5
        marks.append(element("path", class_="rule", d=f"M{_LEFT} {number(y)}H{number(right)}"))
        marks.append(element("text", tick_text(tick, y_ticks), x=_LEFT - 6, y=y + 3.5, text_anchor="end"))
    for tick in x_ticks:
        x = frame.place((tick, frame.y0))[0]
        marks.append(element("path", class_="axis", d=f"M{number(x)} {bottom}v4"))
        marks.append(element("text", tick_text(tick, x_ticks), x=x, y=bottom + 16, text_anchor="middle"))
    marks.append(element("path", class_="axis", d=f"M{_LEFT} {bottom}H{number(right)}"))
    marks.append(element("text", x_label, class_="faint", x=right, y=bottom + 30, text_anchor="end"))
    return element(
        "g",
        *marks,
        class_="frame",
        data_x=f"{frame.x0:.9g} {frame.x1:.9g} {_LEFT} {number(right)}",
        data_y=f"{frame.y0:.9g} {frame.y1:.9g} {bottom} {_TOP}",
        data_x_label=x_label,
    )


def _step_ticks(frame: _Frame) -> list[float]:
    """Round x values; whole ones when the axis is long enough for two of them."""
    ticks = nice_ticks(frame.x0, frame.x1, num_wanted=6)
    whole = [tick for tick in ticks if tick == round(tick)]
    return whole if len(whole) > 1 else ticks


def _end_labels(series: Sequence[Series], frame: _Frame) -> list[Markup]:
    """Names at the ends of the curves, pushed apart where they would overlap."""
    ends = []
    for index, one in enumerate(series):
        runs = _finite_runs(one.points)
        if runs:
            ends.append((frame.place(runs[-1][-1])[1], index, one.name))
    marks, lowest, x = [], -math.inf, _LEFT + frame.width + 6
    for y, index, name in sorted(ends):
        lowest = max(y, lowest + _LABEL_PITCH)
        marks.append(element("path", class_=_line_class(index), d=f"M{number(x)} {number(lowest)}h{_SAMPLE}"))
        marks.append(element("text", name, class_="label", x=x + _SAMPLE + 4, y=lowest + 3.5, data_name=name))
    return marks


def _line_class(index: int) -> str:
    return f"line line-{index % len(SERIES)}" + (" dashed" if index >= len(SERIES) else "")


def _in_words(one: Series) -> str:
    runs = _finite_runs(one.points)
    if not runs:
        return f"{one.name}: no finite values."
    ys = [y for run in runs for _, y in run]
    return f"{one.name}: {len(ys)} values from {min(ys):.4g} to {max(ys):.4g}, last {ys[-1]:.4g}."
