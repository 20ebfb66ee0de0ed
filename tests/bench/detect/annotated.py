"""How well points agree with those that somebody marked.

Source: van den Burg and Williams, "An evaluation of change point detection algorithms", arXiv:2003.06222. The first
value counts as a point of both, so that finding nothing in a series without points is worth 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

MARGIN = 5


def f1_of(marked: Sequence[int], found: Sequence[int]) -> float:
    """Harmonic mean of precision and recall; a point answers for one marked point within 5 values."""
    wanted, given = [0, *marked], [0, *found]
    left = sorted(set(given))
    hits = 0
    for one in wanted:
        near = [at for at in left if abs(at - one) <= MARGIN]
        if near:
            left.remove(min(near, key=lambda at: abs(at - one)))
            hits += 1
    return 2 * hits / (len(wanted) + len(given))


def covering_of(marked: Sequence[int], found: Sequence[int], num: int) -> float:
    """Mean over values of how much the marked part around it and the best of the found parts have in common."""
    parts = [set(range(*ends)) for ends in pairwise([0, *found, num])]
    total = 0.0
    for ends in pairwise([0, *marked, num]):
        part = set(range(*ends))
        total += len(part) * max(len(part & other) / len(part | other) for other in parts)
    return total / num
