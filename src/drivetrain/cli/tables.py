"""Rows of text as columns that line up."""

from __future__ import annotations

from collections.abc import Sequence


def clipped(text: str, most: int) -> str:
    """A text in one line of so many characters at most."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: max(0, most - 1)]}…"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Lines of a table.

    Args:
      right: numbers of the columns that end at one place, as numbers should.
    """
    lines = [tuple(head), *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    sides = [">" if place in right else "<" for place in range(len(head))]
    return "\n".join(
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(line, sides, widths, strict=True)).rstrip()
        for line in lines
    )
