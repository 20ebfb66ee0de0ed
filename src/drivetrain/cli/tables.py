"""What commands list: a head over rows, and texts that fit."""

from __future__ import annotations

from collections.abc import Sequence

from drivetrain.core.columns import aligned


def clipped(text: str, most: int) -> str:
    """A text in one line of so many characters at most."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: max(0, most - 1)]}…"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Lines of a table.

    Args:
      right: numbers of the columns that end at one place, as numbers should.
    """
    return "\n".join(aligned([head, *rows], right))
