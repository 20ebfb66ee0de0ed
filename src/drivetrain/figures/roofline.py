"""Operators under the roof that a device's bandwidth and peak give, both axes logarithmic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from drivetrain.figures.svg import Markup, element, figure, number

_WIDTH, _HEIGHT = 460, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 38
_PLOT_WIDTH, _PLOT_HEIGHT = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM


@dataclass(frozen=True, slots=True)
class Dot:
    """One operator.

    Attributes:
      name: shown where the pointer rests.
      flops_per_byte: arithmetic intensity.
      flops_per_s: reached.
      share: of all time, 0 to 1; the area of its dot.
    """

    name: str
    flops_per_byte: float
    flops_per_s: float
    share: float


def roofline(
    dots: Sequence[Dot], peak_flops_per_s: float, bytes_per_s: float, *, key: str, title: str = "Roofline"
) -> Markup:
    """Dots under the roof min(peak, intensity x bandwidth).

    Args:
      dots: those that are not positive in both directions are left out.
      peak_flops_per_s: of the device at the type that it computes in.
      bytes_per_s: of its memory; 0 where it is not known, and then the roof is flat.
      key: starts the ids inside; unique in the page.
      title: for screen readers.
    Source: Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009.
    """
    shown = [dot for dot in dots if dot.flops_per_byte > 0 and dot.flops_per_s > 0]
    ridge = peak_flops_per_s / bytes_per_s if bytes_per_s else 1.0
    xs = [math.log10(x) for x in (ridge / 10, ridge * 10, *(dot.flops_per_byte for dot in shown))]
    ys = [math.log10(y) for y in (peak_flops_per_s / 1000, peak_flops_per_s * 2, *(dot.flops_per_s for dot in shown))]
    frame = _Frame(math.floor(min(xs)), math.ceil(max(xs)), math.floor(min(ys)), max(ys))
    names = ", ".join(dot.name for dot in shown[:5])
    return figure(
        _WIDTH,
        _HEIGHT,
        *_axes(frame),
        _roof(frame, peak_flops_per_s, bytes_per_s),
        *(_dot(dot, frame) for dot in sorted(shown, key=lambda dot: -dot.share)),
        key=key,
        title=title,
        desc=f"{len(shown)} operators under a peak of {peak_flops_per_s / 1e12:.3g} TFLOP/s: {names or 'none'}.",
    )


@dataclass(frozen=True, slots=True)
class _Frame:
    """Powers of ten at the edges."""

    x0: float
    x1: float
    y0: float
    y1: float

    def x(self, value: float) -> float:
        return _LEFT + _PLOT_WIDTH * (math.log10(value) - self.x0) / (self.x1 - self.x0)

    def y(self, value: float) -> float:
        return _TOP + _PLOT_HEIGHT * (1 - (math.log10(value) - self.y0) / (self.y1 - self.y0))


def _axes(frame: _Frame) -> list[Markup]:
    bottom, right = _TOP + _PLOT_HEIGHT, _LEFT + _PLOT_WIDTH
    marks = []
    for power in range(math.ceil(frame.y0), math.floor(frame.y1) + 1):
        y = round(frame.y(10.0**power)) + 0.5
        marks.append(element("path", class_="rule", d=f"M{_LEFT} {number(y)}H{right}"))
        marks.append(element("text", _flops_text(power), x=_LEFT - 6, y=y + 3.5, text_anchor="end"))
    for power in range(math.ceil(frame.x0), math.floor(frame.x1) + 1):
        x = frame.x(10.0**power)
        marks.append(element("path", class_="axis", d=f"M{number(x)} {bottom}v4"))
        marks.append(element("text", f"{10.0**power:g}", x=x, y=bottom + 16, text_anchor="middle"))
    marks.append(element("path", class_="axis", d=f"M{_LEFT} {bottom}H{right}"))
    marks.append(element("text", "FLOP per byte", class_="faint", x=right, y=bottom + 32, text_anchor="end"))
    return marks


def _flops_text(power: int) -> str:
    for unit, unit_power in (("P", 15), ("T", 12), ("G", 9), ("M", 6)):
        if power >= unit_power:
            return f"{10 ** (power - unit_power)} {unit}"
    return f"1e{power}"


def _roof(frame: _Frame, peak: float, bytes_per_s: float) -> Markup:
    left, right = 10.0**frame.x0, 10.0**frame.x1
    if not bytes_per_s:
        return element("path", class_="line line-1", d=f"M{_LEFT} {number(frame.y(peak))}H{_LEFT + _PLOT_WIDTH}")
    start = max(left, 10.0**frame.y0 / bytes_per_s)
    ridge = peak / bytes_per_s
    points = [(start, start * bytes_per_s), (ridge, peak), (right, peak)]
    path = "L".join(f"{number(frame.x(x))} {number(frame.y(y))}" for x, y in points)
    return element("path", class_="line line-1", d=f"M{path}")


def _dot(dot: Dot, frame: _Frame) -> Markup:
    words = f"{dot.name}: {dot.flops_per_byte:.3g} FLOP/B, {dot.flops_per_s / 1e12:.3g} TFLOP/s"
    radius = 2.5 + 10 * math.sqrt(min(max(dot.share, 0.0), 1.0))
    shape = element("circle", class_="dot dot-0", cx=frame.x(dot.flops_per_byte), cy=frame.y(dot.flops_per_s), r=radius)
    return element("g", element("title", words), shape)
