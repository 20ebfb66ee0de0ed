"""Which message of each stream a reference stream was joined to: streams as rows on one time line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drivetrain.figures.axes import nice_ticks, tick_text
from drivetrain.figures.svg import Markup, element, figure, join, number, text_width

_WIDTH, _RIGHT, _TOP, _AXIS, _PITCH = 960, 210, 10, 26, 30
_MAX_MARKS = 400  # in a row: more could not be told apart


@dataclass(frozen=True, slots=True)
class MatchRow:
    """One stream.

    Attributes:
      name: its label.
      note: said at the right, such as how many were matched.
      messages_s: when each message came, seconds on the figure's axis.
      matches_s: for each reference message the one it was joined to; None where there was none.
    """

    name: str
    note: str
    messages_s: Sequence[float]
    matches_s: Sequence[float | None]


def match_chart(reference: MatchRow, rows: Sequence[MatchRow], *, key: str, title: str) -> Markup:
    """The reference on top with a thin line down from each message; on each row its messages, and what was joined.

    A bar on a row leads from the reference's stamp to the message it was joined to, so its length is the offset; a
    cross stands where nothing was near enough. Only the first 400 marks of a row are drawn.

    Args:
      reference: the stream that the others are joined to; its `matches_s` are not used.
      rows: the others, in drawing order.
      key: starts the ids inside; unique in the page.
      title: for screen readers.
    """
    left = 16 + max(text_width(row.name) for row in (reference, *rows))
    stamps = list(reference.messages_s)[:_MAX_MARKS]
    shown = [t for row in (reference, *rows) for t in row.messages_s[:_MAX_MARKS]] or [0.0]
    start, length = min(shown), (max(shown) - min(shown)) or 1.0

    def place(t_s: float) -> float:
        return left + (_WIDTH - left - _RIGHT) * (t_s - start) / length

    height = _TOP + _PITCH * (1 + len(rows)) + _AXIS
    marks = [_down(place(t), height - _AXIS) for t in stamps]
    marks += [_stream(row, stamps, place, _TOP + _PITCH * (i + 0.5)) for i, row in enumerate((reference, *rows))]
    num_missed = sum(match is None for row in rows for match in row.matches_s)
    return figure(
        _WIDTH,
        height,
        *marks,
        _axis(start, length, left, height - _AXIS),
        key=key,
        title=title,
        desc=f"{len(rows)} streams joined to {reference.name}; {num_missed} times nothing was near enough.",
    )


def _stream(row: MatchRow, stamps: Sequence[float], place: Callable[[float], float], y: float) -> Markup:
    ticks = "".join(f"M{number(place(t))} {number(y - 5)}v10" for t in row.messages_s[:_MAX_MARKS])
    bars, crosses = "", ""
    for stamp, match in zip(stamps, row.matches_s, strict=False):
        if match is None:
            crosses += f"M{number(place(stamp) - 3)} {number(y - 3)}l6 6m0 -6l-6 6"
        else:
            bars += f"M{number(place(stamp))} {number(y)}H{number(place(match))}"
    return join(
        element("text", row.name, x=8, y=y + 4),
        element("path", class_="line line-1", d=ticks or None),
        element("path", class_="line line-0 wide", d=bars or None),
        element("path", class_="line line-5 wide", d=crosses or None),
        element("text", row.note, class_="faint", x=_WIDTH - _RIGHT + 12, y=y + 4),
    )


def _down(x: float, bottom: float) -> Markup:
    return element("path", class_="rule", d=f"M{number(x)} {_TOP}V{number(bottom)}")


def _axis(start: float, length: float, left: float, bottom: float) -> Markup:
    ticks = nice_ticks(start, start + length, num_wanted=8)
    scale = (_WIDTH - left - _RIGHT) / length
    marks = [element("path", class_="axis", d=f"M{number(left)} {number(bottom)}H{_WIDTH - _RIGHT}")]
    for tick in ticks:
        x = left + (tick - start) * scale
        marks.append(element("path", class_="axis", d=f"M{number(x)} {number(bottom)}v4"))
        marks.append(element("text", f"{tick_text(tick, ticks)} s", x=x, y=bottom + 17, text_anchor="middle"))
    return join(*marks)
