"""A fleet's leaves over time: one account a window, in one pass."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from drivetrain.core.errors import UsageError
from drivetrain.core.leaves import FreeLeaf
from drivetrain.ledger.fleet.account import stacked
from drivetrain.ledger.fleet.explain import explained
from drivetrain.ledger.fleet.sweep import Attempt, Fleet


def leaves_over_time(fleet: Fleet, edges_ns: Sequence[int], *, pool: str | None = None) -> list[dict[str, int]]:
    """Milli-ns by leaf in stacking order, for each window between two edges; together they are its capacity.

    Args:
      edges_ns: rising; what is after the moment that the fleet was read is empty.
      pool: None for all.
    Raises: UsageError: edges do not rise.
    """
    if any(before >= after for before, after in pairwise(edges_ns)):
        raise UsageError("the edges of the windows do not rise")
    cells: list[dict[str, int]] = [defaultdict(int) for _ in edges_ns[1:]]
    for name, curve in fleet.pools.items():
        if pool in (None, name):
            for cell, (start_ns, end_ns) in zip(cells, pairwise(edges_ns), strict=True):
                level, _ = curve.between(start_ns, end_ns)
                for free in FreeLeaf:
                    cell[free] += getattr(level, free)
    for attempt in fleet.attempts:
        _add(cells, edges_ns, attempt, fleet.read_at_ns, pool)
    return [stacked(cell) for cell in cells]


def _add(
    cells: Sequence[dict[str, int]], edges_ns: Sequence[int], attempt: Attempt, read_at_ns: int, pool: str | None
) -> None:
    """What an attempt held, in the windows that it was there in."""
    last_ns = read_at_ns if attempt.end_ns is None else attempt.end_ns
    first = max(0, bisect_right(edges_ns, attempt.start_ns) - 1)
    past = min(len(cells), bisect_left(edges_ns, last_ns))
    if first >= past:
        return
    explanation = explained(attempt, read_at_ns)
    for index in range(first, past):
        for (held, _), leaf, milli_ns in explanation.parts(edges_ns[index], edges_ns[index + 1]):
            if pool in (None, held):
                cells[index][leaf] += milli_ns
