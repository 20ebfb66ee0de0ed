"""Wilcoxon's signed ranks: an exact test of paired differences, and the interval that belongs to it; pure."""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Sequence
from statistics import NormalDist

from drivetrain.bench.stats import Interval

_MOST_EXACT = 40  # pairs; of more the normal distribution says the same to three digits
_NORMAL = NormalDist()


def chance_of(differences: Sequence[float]) -> float:
    """The chance that differences whose signs are random are so one-sided, either way.

    Exact for up to 40 differences, whatever their distribution: where A and B are the same, every difference of a pair
    is as likely as its opposite. Equal sizes share their rank; a difference of 0 counts half for either side.

    Source: Wilcoxon 1945; ties and zeros after Pratt, "Remarks on zeros and ties", JASA 1959.
    """
    doubled = _doubled_ranks([abs(value) for value in differences])
    signs = [(value > 0) - (value < 0) for value in differences]
    live = [rank for rank, sign in zip(doubled, signs, strict=True) if sign]
    if not live:
        return 1.0
    balance = abs(sum(rank * sign for rank, sign in zip(doubled, signs, strict=True)))
    if len(live) > _MOST_EXACT:
        return math.erfc(max(0, balance - 1) / math.sqrt(2 * sum(rank * rank for rank in live)))
    ways = _ways(tuple(sorted(live)))
    total = sum(live)
    as_far = sum(number for low, number in enumerate(ways) if abs(total - 2 * low) >= balance)
    return float(as_far / 2 ** len(live))


def shift_of(differences: Sequence[float], level: float) -> Interval:
    """The middle of the differences (Hodges and Lehmann: the median of all means of two), with its exact interval.

    Args:
      differences: at least one; about symmetric, of any distribution. One that is far off moves the middle little.
      level: of confidence. Where so few cannot give it, the interval is without bounds.
    """
    means = sorted((one + other) / 2 for at, one in enumerate(differences) for other in differences[at:])
    middle = statistics.median(means)
    num_out = _num_outside(len(differences), (1 - level) / 2)
    if num_out < 0:
        return Interval(middle, -math.inf, math.inf)
    return Interval(middle, means[num_out], means[len(means) - 1 - num_out])


def fewest_for(chance: float) -> int:
    """How many pairs it takes until `chance_of` can be so small."""
    return max(1, math.ceil(1 - math.log2(chance)))


def _num_outside(num: int, tail: float) -> int:
    """How many of the means of two lie outside the interval on each side; -1 where there is no such interval."""
    if num > _MOST_EXACT:
        mean, spread = num * (num + 1) / 4, math.sqrt(num * (num + 1) * (2 * num + 1) / 24)
        return math.floor(mean + _NORMAL.inv_cdf(tail) * spread - 0.5)
    ways = _ways(tuple(range(1, num + 1)))
    below, found = 0, -1
    for value, number in enumerate(ways):
        below += number
        if below > tail * 2**num * (1 + 1e-12):
            break
        found = value
    return found


@functools.lru_cache(maxsize=256)
def _ways(ranks: tuple[int, ...]) -> tuple[int, ...]:
    """In how many ways some of the ranks have each sum."""
    ways = [1] + [0] * sum(ranks)
    for rank in ranks:
        for total in range(len(ways) - 1, rank - 1, -1):
            ways[total] += ways[total - rank]
    return tuple(ways)


def _doubled_ranks(sizes: Sequence[float]) -> list[int]:
    """Twice the rank of each, from 1 for the smallest; equal ones share the mean of theirs."""
    order = sorted(range(len(sizes)), key=sizes.__getitem__)
    ranks = [0] * len(sizes)
    begin = 0
    while begin < len(order):
        end = begin
        while end < len(order) and sizes[order[end]] == sizes[order[begin]]:
            end += 1
        for at in order[begin:end]:
            ranks[at] = begin + 1 + end
        begin = end
    return ranks
