"""One number over many measurements: dots with their ranges, levels, and the points where the level changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from drivetrain.figures.axes import nice_ticks, tick_text
from drivetrain.figures.lines import thin
from drivetrain.figures.svg import Markup, element, figure, number, path_of, text_width

_WIDTH, _HEIGHT = 460, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 14, 26, 24
_MAX_DOTS = 200
_MAX_MARKS = 40
_GAP = 8  # between the labels of two marks
_TONE = {True: 3, False: 5}  # of the series' colours: ok, err


@dataclass(frozen=True, slots=True)
class Measurement:
    """One dot.

    Attributes:
      value: its height.
      low: lower end of its range.
      high: upper end.
      label: what is written under it where there is room, such as a day.
    """

    value: float
    low: float
    high: float
    label: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A point where the level changed.

    Attributes:
      index: of the first measurement of the new level.
      before: level before.
      after: level after.
      text: written above, such as `+5.1 %`.
      is_good: whether it is a change for the better.
    """

    index: int
    before: float
    after: float
    text: str
    is_good: bool


@dataclass(frozen=True, slots=True)
class _Frame:
    num: int
    y0: float
    y1: float

    def x(self, index: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (index + 0.5) / self.num

    def y(self, value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - (value - self.y0) / (self.y1 - self.y0))


def trend_chart(
    measurements: Sequence[Measurement], marks: Sequence[Mark], *, key: str, title: str, scale: float = 1.0
) -> Markup:
    """Measurements in order, evenly spaced, with the levels between the marks.

    Args:
      measurements: at least one, finite; more than 200 are drawn as a line that keeps their spikes.
      marks: in order of their places; the first 40 are drawn.
      key: starts the ids inside; unique in the page.
      title: for screen readers, with the unit of the values.
      scale: what values are multiplied by for the numbers at the axis.
    """
    lows, highs = [one.low for one in measurements], [one.high for one in measurements]
    pad = 0.06 * (max(highs) - min(lows)) or abs(max(highs)) * 0.1 or 1.0
    frame = _Frame(len(measurements), min(lows) - pad, max(highs) + pad)
    values = [one.value for one in measurements]
    marks = marks[:_MAX_MARKS]
    return figure(
        _WIDTH,
        _HEIGHT,
        *_axes(frame, scale),
        *_days(measurements, frame),
        *_dots(measurements, frame),
        *_levels(marks, frame),
        *_labels(marks, frame),
        key=key,
        title=title,
        desc=f"{len(values)} measurements from {min(values):.4g} to {max(values):.4g}, last {values[-1]:.4g}; "
        + (", ".join(f"{mark.text} at {mark.index + 1}" for mark in marks) or "no change")
        + ".",
    )


def _axes(frame: _Frame, scale: float) -> list[Markup]:
    ticks = nice_ticks(frame.y0 * scale, frame.y1 * scale, num_wanted=4)
    marks = []
    for tick in ticks:
        y = round(frame.y(tick / scale)) + 0.5
        marks.append(element("path", class_="rule", d=f"M{_LEFT} {number(y)}H{_WIDTH - _RIGHT}"))
        marks.append(element("text", tick_text(tick, ticks), x=_LEFT - 6, y=y + 3.5, text_anchor="end"))
    return [*marks, element("path", class_="axis", d=f"M{_LEFT} {_HEIGHT - _BOTTOM}H{_WIDTH - _RIGHT}")]


def _days(measurements: Sequence[Measurement], frame: _Frame) -> list[Markup]:
    """Labels of the first, the last, and what fits between, each where it first appears."""
    found: list[Markup] = []
    right, seen = -math.inf, ""
    for index, one in enumerate(measurements):
        half = text_width(one.label) / 2
        x = min(max(frame.x(index), _LEFT + half), _WIDTH - _RIGHT - half)
        if one.label and one.label != seen and x - half > right + 2 * _GAP:
            found.append(element("text", one.label, class_="faint", x=x, y=_HEIGHT - 8, text_anchor="middle"))
            right = x + half
        seen = one.label
    return found


def _dots(measurements: Sequence[Measurement], frame: _Frame) -> list[Markup]:
    if len(measurements) > _MAX_DOTS:
        points = thin([(frame.x(index), frame.y(one.value)) for index, one in enumerate(measurements)])
        return [element("path", class_="line line-0", d=path_of(points))]
    ranges = "".join(
        f"M{number(frame.x(index))} {number(frame.y(one.low))}V{number(frame.y(one.high))}"
        for index, one in enumerate(measurements)
    )
    dots = [
        element("circle", class_="dot dot-0", cx=frame.x(index), cy=frame.y(one.value), r=2.5)
        for index, one in enumerate(measurements)
    ]
    return [element("path", class_="leader", d=ranges), *dots]


def _levels(marks: Sequence[Mark], frame: _Frame) -> list[Markup]:
    """A line at each level between two marks."""
    ends = [0, *(mark.index for mark in marks), frame.num]
    heights = [mark.before for mark in marks] + [mark.after for mark in marks[-1:]]
    return [
        element(
            "path",
            class_="line line-1",
            d=f"M{number(frame.x(ends[at] - 0.5))} {number(frame.y(height))}H{number(frame.x(ends[at + 1] - 0.5))}",
        )
        for at, height in enumerate(heights)
    ]


def _labels(marks: Sequence[Mark], frame: _Frame) -> list[Markup]:
    """A line at each mark, and its text where it does not cover the one before."""
    found: list[Markup] = []
    right = -math.inf
    for mark in marks:
        x, half = frame.x(mark.index - 0.5), text_width(mark.text) / 2
        tone = _TONE[mark.is_good]
        found.append(
            element("path", class_=f"line line-{tone} dashed", d=f"M{number(x)} {_TOP - 6}V{_HEIGHT - _BOTTOM}")
        )
        middle = min(max(x, _LEFT + half), _WIDTH - _RIGHT - half)
        if middle - half > right + _GAP:
            found.append(element("text", mark.text, class_="strong", x=middle, y=_TOP - 12, text_anchor="middle"))
            right = middle + half
    return found
