"""What a fleet's capacity is used for over time: a stacked area whose upper edge is the capacity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from drivetrain.figures.axes import nice_ticks, nice_time_ticks_s, tick_text, time_tick_text
from drivetrain.figures.fills import paint, stacking_order, tiles
from drivetrain.figures.svg import Markup, element, figure, number, text_width

_WIDTH, _HEIGHT = 960, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 10, 50
_PLOT_WIDTH, _PLOT_HEIGHT = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
_MOST_COLUMNS = 297  # three pixels each
_SWATCH = 10


def area_chart(columns: Sequence[Mapping[str, float]], length_s: float, *, key: str, title: str) -> Markup:
    """Leaves stacked over time, the productive lowest; too many columns are merged into means of neighbours.

    Args:
      columns: devices by leaf, the mean of each of equally long windows from left to right.
      length_s: of all of them together.
      key: starts the ids inside; unique in the page.
      title: for screen readers.
    """
    merged = _merged(columns)
    order = stacking_order({leaf for column in merged for leaf, devices in column.items() if devices > 0})
    highest = max((sum(column.values()) for column in merged), default=0.0) or 1.0
    return figure(
        _WIDTH,
        _HEIGHT,
        tiles(order, key),
        *_device_axis(highest),
        *_areas(merged, order, highest, key),
        *_time_axis(length_s),
        *_legend(order, key),
        key=key,
        title=title,
        desc=f"Up to {highest:.4g} devices over {length_s:.4g} s; leaves: {', '.join(order) or 'none'}.",
    )


def _merged(columns: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    each = -(-len(columns) // _MOST_COLUMNS) or 1
    found = []
    for start in range(0, len(columns), each):
        group = columns[start : start + each]
        leaves = {leaf for column in group for leaf in column}
        found.append({leaf: sum(column.get(leaf, 0.0) for column in group) / len(group) for leaf in leaves})
    return found


def _areas(columns: Sequence[Mapping[str, float]], order: Sequence[str], highest: float, key: str) -> list[Markup]:
    """One shape a leaf, each standing on those before it."""
    floor = [0.0] * len(columns)
    shapes = []
    for leaf in order:
        roof = [low + column.get(leaf, 0.0) for low, column in zip(floor, columns, strict=True)]
        shapes.append(element("path", d=_ring(floor, roof, highest), **paint(leaf, key)))
        floor = roof
    return shapes


def _ring(floor: Sequence[float], roof: Sequence[float], highest: float) -> str:
    """Along the roof to the right and along the floor back, in steps."""
    pitch = _PLOT_WIDTH / len(roof)

    def place(devices: float) -> str:
        return number(_TOP + _PLOT_HEIGHT * (1 - devices / highest))

    there = _stairs([(place(devices), _LEFT + (i + 1) * pitch) for i, devices in enumerate(roof)])
    back = _stairs([(place(devices), _LEFT + i * pitch) for i, devices in enumerate(floor)][::-1])
    return f"M{_LEFT} {place(floor[0])}{there}{back}z"


def _stairs(steps: Sequence[tuple[str, float]]) -> str:
    """To a height and along it, for each (height, how far); steps of one height are one."""
    lasts = [i for i, (y, _) in enumerate(steps) if i + 1 == len(steps) or steps[i + 1][0] != y]
    return "".join(f"V{steps[i][0]}H{number(steps[i][1])}" for i in lasts)


def _device_axis(highest: float) -> list[Markup]:
    ticks = nice_ticks(0.0, highest, num_wanted=4)
    marks = []
    for tick in ticks:
        y = round(_TOP + _PLOT_HEIGHT * (1 - tick / highest)) + 0.5
        marks.append(element("path", class_="rule", d=f"M{_LEFT} {number(y)}H{_LEFT + _PLOT_WIDTH}"))
        marks.append(element("text", tick_text(tick, ticks), x=_LEFT - 6, y=y + 3.5, text_anchor="end"))
    return marks


def _time_axis(length_s: float) -> list[Markup]:
    bottom = _TOP + _PLOT_HEIGHT
    marks = [element("path", class_="axis", d=f"M{_LEFT} {bottom}.5H{_LEFT + _PLOT_WIDTH}")]
    ticks = nice_time_ticks_s(length_s)
    for tick in ticks:
        x = _LEFT + (_PLOT_WIDTH * tick / length_s if length_s > 0 else 0)
        anchor = "end" if x > _WIDTH - 30 else "middle"
        marks.append(element("text", time_tick_text(tick, ticks), x=x, y=bottom + 15, text_anchor=anchor))
    return marks


def _legend(order: Sequence[str], key: str) -> list[Markup]:
    marks: list[Markup] = []
    x, y = float(_LEFT), _HEIGHT - 12
    for leaf in order:
        marks.append(element("rect", x=x, y=y - 9, width=_SWATCH, height=_SWATCH, **paint(leaf, key)))
        marks.append(element("text", leaf, x=x + _SWATCH + 4, y=y))
        x += _SWATCH + 16 + text_width(leaf)
    return marks
