"""Could chance have parted the values of two levels so well?"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from drivetrain.bench.detect.noise import Values

_NORMAL = NormalDist()


def explained(values: Values, cut: int) -> float:
    """Of the variance of the values' normal scores, the share that a step at this place explains.

    Normal scores (van der Waerden) are the quantiles of the values' ranks: no distribution is assumed and an outlier
    weighs little, while the power is that of Student's test for normal noise.
    """
    num = len(values)
    scores = _normal_scores(values)
    power = float(scores @ scores)
    return float(np.sum(scores[:cut])) ** 2 * num / (cut * (num - cut)) / power if power else 0.0


def chance_of(share: float, num: int, cut: int, inflation: float) -> float:
    """The chance that values without a step, in random order, are parted in one given place so well as this.

    A permutation test whose distribution is taken as Student's, after Pitman 1937, and its tail after Wallace 1959; no
    chance is below that of the most extreme order.

    Args:
      share: what `explained` gave.
      num: of values.
      cut: where the second level begins.
      inflation: how many correlated values say as much as one.
    """
    num_effective = num / inflation
    free = max(num_effective - 2, 1.0)
    least = _least_chance(num_effective, num_effective * cut / num)
    if share >= 1:
        return least
    squared_t = share / (1 - share) * free
    normal = (8 * free + 1) / (8 * free + 3) * math.sqrt(free * math.log1p(squared_t / free))
    return max(math.erfc(normal / math.sqrt(2)), least)


def _normal_scores(values: Values) -> Values:
    """Quantiles of the normal distribution at the values' ranks; equal values share a mean one. They sum to 0."""
    num = len(values)
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    quantiles = np.array([_NORMAL.inv_cdf(rank / (num + 1)) for rank in range(1, num + 1)])
    ends = np.cumsum(counts)
    totals = np.concatenate([[0.0], np.cumsum(quantiles)])
    scores = (totals[ends] - totals[ends - counts]) / counts
    centred: Values = scores[which]
    return centred - np.mean(centred)


def _least_chance(num: float, cut: float) -> float:
    """Of the most extreme of all equally likely partings, either way."""
    ways = math.lgamma(num + 1) - math.lgamma(cut + 1) - math.lgamma(num - cut + 1)
    return min(1.0, 2 * math.exp(-ways))
