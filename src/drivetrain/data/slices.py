"""A slice: a name and a predicate over a data set's columns; what samples it has depends on the version alone."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class Slice:
    """Samples that match a predicate; two of them make a third by `&`, `|` and `~`.

    Attributes:
      where: an SQL expression over columns, such as `speed_m_per_s < 2 and num_pedestrians > 5`; a sample for which it
        is unknown does not match.
    """

    where: str

    def __and__(self, other: Slice) -> Slice:
        """Samples of both."""
        return Slice(f"({self.where}) and ({other.where})")

    def __or__(self, other: Slice) -> Slice:
        """Samples of either or both."""
        return Slice(f"({self.where}) or ({other.where})")

    def __invert__(self) -> Slice:
        """All other samples, those for which the predicate is unknown too."""
        return Slice(f"not coalesce(({self.where}), false)")


def check_name(name: str, taken: tuple[str, ...]) -> None:
    """Raises ValueError: a slice cannot be called this, or something else is."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"a slice is called {name!r}; expected a word of letters, digits and _")
    if name in taken:
        raise ValueError(f"a slice cannot be called {name!r}: a column or split is")
