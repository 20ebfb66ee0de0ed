"""How often values fall where: a histogram as touching bars."""

from __future__ import annotations

from collections.abc import Sequence

from drivetrain.figures.axes import nice_ticks, tick_text
from drivetrain.figures.svg import Markup, element, figure, number

_WIDTH, _HEIGHT = 460, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 10, 36


def bin_chart(edges: Sequence[float], counts: Sequence[int], *, key: str, title: str, x_label: str) -> Markup:
    """Bars over an axis with round numbers.

    Args:
      edges: of the bins, ascending; one more than there are counts.
      counts: how many values fell into each.
      key: starts the ids inside; unique in the page.
      title: for screen readers.
      x_label: written under the axis, with its unit.
    """
    low, high, tallest = edges[0], edges[-1], max([*counts, 1])
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    bottom = _TOP + height

    def place(value: float) -> float:
        return _LEFT + width * (value - low) / ((high - low) or 1.0)

    bars = "".join(
        f"M{number(place(a))} {bottom}V{number(bottom - height * count / tallest)}H{number(place(b))}V{bottom}z"
        for a, b, count in zip(edges, edges[1:], counts, strict=False)
        if count
    )
    marks = [
        element("path", class_="dot-0", d=bars or None),
        element("path", class_="axis", d=f"M{_LEFT} {bottom}h{width}"),
    ]
    ticks = nice_ticks(low, high)
    for tick in ticks:
        x = place(tick)
        marks.append(element("path", class_="axis", d=f"M{number(x)} {bottom}v4"))
        marks.append(element("text", tick_text(tick, ticks), x=x, y=bottom + 16, text_anchor="middle"))
    marks.append(element("text", f"{tallest:,}", x=_LEFT - 6, y=_TOP + 8, text_anchor="end"))
    marks.append(element("text", x_label, class_="faint", x=_LEFT + width, y=bottom + 30, text_anchor="end"))
    total = sum(counts)
    return figure(_WIDTH, _HEIGHT, *marks, key=key, title=title, desc=f"{total:,} values from {low:.4g} to {high:.4g}.")
