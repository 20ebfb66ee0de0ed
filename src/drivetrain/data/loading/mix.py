"""Several sources in one sequence at exact ratios: which one is next is a function of the position, not of chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

import numpy as np

from drivetrain.data.arrays import Ints

_MOST = 1 << 31  # products of two counts below it fit 64 bits


@dataclass(frozen=True, slots=True)
class Mix:
    """Sources interleaved evenly.

    Any `period` positions in a row hold each source exactly as often as its ratio says. Up to any position a source has
    been taken as often as its share says to within the number of halvings, ceil(log2(sources)): 1 for two sources.

    Attributes:
      ratios: whole numbers above 0, one a source.
    """

    ratios: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.ratios or min(self.ratios) < 1 or sum(self.ratios) >= _MOST:
            raise ValueError(f"ratios are {self.ratios}: they must be above 0 and sum to less than {_MOST}")

    @classmethod
    def of(cls, shares: Sequence[Fraction]) -> Mix:
        """The smallest whole numbers in the ratio of these fractions; where they would be too large, those near it.

        Each is then off by 1e-9 of all at most, as happens when several data sets are drawn from by weights and ratios.

        Raises: ValueError: one is not above 0.
        """
        scale = lcm(*(share.denominator for share in shares))
        whole = [int(share * scale) for share in shares]
        common = gcd(*whole) or 1
        if sum(whole) // common >= _MOST:
            total = sum(shares)
            return cls(tuple(max(1, round(share / total * (_MOST // 2))) for share in shares))
        return cls(tuple(number // common for number in whole))

    @property
    def period(self) -> int:
        """Positions after which the pattern repeats."""
        return sum(self.ratios)

    def at(self, positions: Ints) -> tuple[Ints, Ints]:
        """Which source each position takes, and how often that source was taken before."""
        positions = np.asarray(positions, np.int64)
        sources, turns = np.zeros_like(positions), positions.copy()
        self._divide(0, len(self.ratios), np.arange(len(positions)), sources, turns)
        return sources, turns

    def _divide(self, first: int, last: int, which: Ints, sources: Ints, turns: Ints) -> None:
        """Give the turns of a group of sources to its two halves, as a line of their slope is drawn in pixels."""
        if last - first == 1 or not len(which):
            sources[which] = first
            return
        middle = (first + last) // 2
        left, total = sum(self.ratios[first:middle]), sum(self.ratios[first:last])
        cycles, places = np.divmod(turns[which], total)
        before = places * left // total
        is_left = (places + 1) * left // total > before
        turns[which] = np.where(is_left, cycles * left + before, cycles * (total - left) + places - before)
        self._divide(first, middle, which[is_left], sources, turns)
        self._divide(middle, last, which[~is_left], sources, turns)
