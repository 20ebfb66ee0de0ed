"""The account as one bar: a piece a leaf, each with its name and share beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from drivetrain.core.units import duration_text
from drivetrain.figures.fills import paint, stacking_order, tiles
from drivetrain.figures.svg import Markup, element, figure, join, text_width

_WIDTH = 960
_MARGIN = 128  # right of the bar: its total, and room for the label of a thin last piece
_BAR_WIDTH = _WIDTH - _MARGIN
_BAR_HEIGHT = 32
_THINNEST = 2.0
_ROW = 16
_LABEL_GAP = 8


@dataclass(frozen=True, slots=True)
class Label:
    """Where the label of a piece stands: it starts at `x` in row `row`, and its leader comes straight down on `x`."""

    x: float
    width: float
    row: int


def account_bar(
    leaves: Mapping[str, int], *, key: str, title: str = "Where the device time went", of: str = "device time"
) -> Markup:
    """One stacked horizontal bar with a label for every piece.

    Args:
      leaves: nanoseconds by leaf; pieces of zero are left out.
      key: starts the ids inside; unique in the page.
      title: for screen readers.
      of: what the whole is.
    """
    total = sum(leaves.values())
    order = [leaf for leaf in stacking_order(leaves) if leaves[leaf] > 0]
    texts = [f"{leaf} {share_text(leaves[leaf], total)}" for leaf in order]
    edges = _edges([leaves[leaf] for leaf in order])
    labels = place_labels(edges[:-1], [text_width(text) for text in texts])
    height = _BAR_HEIGHT + _ROW * (2 + max((label.row for label in labels), default=0))
    shapes = [_piece(leaf, leaves[leaf], total, edges[i], edges[i + 1] - edges[i], key) for i, leaf in enumerate(order)]
    marks = [_label(text, label) for text, label in zip(texts, labels, strict=True)]
    return figure(
        _WIDTH,
        height,
        tiles(order, key),
        *shapes,
        *marks,
        _total(total, of),
        key=key,
        title=title,
        desc=f"{duration_text(total)} of {of}: {', '.join(texts) or 'nothing yet'}.",
    )


def share_text(part: int, whole: int) -> str:
    """A share for people: `61.2 %`, `0.04 %`, `<0.01 %`; a dash of nothing."""
    if whole <= 0:
        return "–"
    pct = 100 * part / whole
    if 0 < pct < 0.01:
        return "<0.01 %"
    return f"{pct:.1f} %" if pct >= 0.1 or pct == 0 else f"{pct:.2f} %"


def place_labels(starts: list[float], widths: list[float]) -> list[Label]:
    """Rows for labels that hang below their piece's left edge, so that no label or leader crosses another.

    Goes from right to left: a label takes the highest row in which it ends before whatever hangs there already, and
    before every leader that passes that row on its way further down.

    Args:
      starts: x of each label, ascending.
      widths: how wide each is.
    """
    placed: list[Label] = []
    taken: list[float] = []  # per row, the leftmost x of a label or passing leader
    for start, width in sorted(zip(starts, widths, strict=True), reverse=True):
        end = start + width + _LABEL_GAP
        row = next((r for r, x in enumerate(taken) if end <= x), len(taken))
        taken = [start] * (row + 1) + taken[row + 1 :]
        placed.append(Label(start, width, row))
    return placed[::-1]


def _edges(values: list[int]) -> list[float]:
    """Left edges of the pieces and the right end of the last; none is thinner than can be seen."""
    total = sum(values)
    shares = [_BAR_WIDTH * value / total for value in values]
    wide = sum(share for share in shares if share > _THINNEST)
    num_thin = sum(share <= _THINNEST for share in shares)
    scale = (_BAR_WIDTH - num_thin * _THINNEST) / wide if wide else 1.0
    edges = [0.0]
    for share in shares:
        edges.append(edges[-1] + (share * scale if share > _THINNEST else _THINNEST))
    return edges


def _piece(leaf: str, value: int, total: int, x: float, width: float, key: str) -> Markup:
    words = f"{leaf}: {duration_text(value)}, {share_text(value, total)} of {duration_text(total)}"
    shown = max(width - 1, _THINNEST - 1)  # a gap of one pixel to the next piece
    shape = element("rect", x=x, y=0, width=shown, height=_BAR_HEIGHT, **paint(leaf, key))
    return element("g", element("title", words), shape)


def _label(text: str, label: Label) -> Markup:
    y = _BAR_HEIGHT + _ROW * (label.row + 1)
    x = round(label.x) + 0.5
    leader = element("path", class_="leader", d=f"M{x} {_BAR_HEIGHT + 2}V{y + 1}")
    return join(leader, element("text", text, x=label.x + 4, y=y))


def _total(total: int, of: str) -> Markup:
    x = _BAR_WIDTH + 8
    amount = element("text", duration_text(total), class_="strong", x=x, y=14)
    return join(amount, element("text", f"of {of}", x=x, y=28))
