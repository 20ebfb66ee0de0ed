"""How often noise makes single large moves, told from the noise itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from drivetrain.bench.detect.noise import CUT, Values, spread

_FREEDOMS = (1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0)
_NUM_ROUNDS = 20
_NORMAL_MAD_SQUARED = 0.455  # median square of a normal variable


def two_sided(size: float, freedom: float = math.inf) -> float:
    """Chance that a variable of Student's distribution is so far from 0; of the normal one without `freedom`.

    Source: the approximation of Wallace, "Bounds on normal approximations to Student's and the chi-square
      distributions", Annals of Mathematical Statistics 1959; far out and for few degrees a quarter too large.
    """
    if math.isfinite(freedom):
        size = (8 * freedom + 1) / (8 * freedom + 3) * math.sqrt(freedom * math.log1p(size * size / freedom))
    return math.erfc(size / math.sqrt(2))


@dataclass(frozen=True, slots=True)
class Tails:
    """Student's distribution as noise has it.

    Attributes:
      scale: of it.
      freedom: its degrees; infinite for the normal distribution.
      bulk: what lies further from 0 is an outlier.
      deviation: standard deviation of the noise where no value lies further out than that.
    """

    scale: float
    freedom: float
    bulk: float
    deviation: float

    def chance(self, form: Values, rest: Values) -> float:
        """That tails, and no change, made what looks like a change in one given place.

        Either a single move did it, which has to be as large as all that is seen; or many did, and then it is seen even
        where none counts for more than an outlier. What is less likely did not.

        Args:
          form: what the change leaves in the innovations.
          rest: innovations without it.
        """
        size, largest = float(np.linalg.norm(form)), float(np.max(np.abs(form)))
        if not largest or not self.scale or not self.deviation:
            return 0.0
        by_one = two_sided(abs(float(form @ rest)) / largest / self.scale, self.freedom)
        bounded = np.clip(rest, -self.bulk, self.bulk)
        return min(by_one, two_sided(abs(float(form @ bounded)) / size / self.deviation))


def tails_of(noise: Values) -> Tails:
    """The heaviest tails that noise is likely to have: at most e times less so than the likeliest."""
    squares = np.square(noise)
    variance, bulk = float(np.mean(squares)), CUT * spread(noise)
    if not variance:
        return Tails(0.0, math.inf, 0.0, 0.0)
    fits = [(*_fit(squares, freedom), freedom) for freedom in _FREEDOMS]
    fits.append((-0.5 * len(noise) * (math.log(2 * math.pi * variance) + 1), math.sqrt(variance), math.inf))
    most = max(likelihood for likelihood, _, _ in fits)
    scale, freedom = next((scale, freedom) for likelihood, scale, freedom in fits if likelihood >= most - 1)
    return Tails(scale, freedom, bulk, math.sqrt(float(np.mean(np.minimum(squares, bulk * bulk)))))


def _fit(squares: Values, freedom: float) -> tuple[float, float]:
    """Logarithm of the likelihood, and the likeliest scale, by expectation and maximisation."""
    variance = max(float(np.median(squares)) / _NORMAL_MAD_SQUARED, 1e-300)
    for _ in range(_NUM_ROUNDS):
        variance = max(float(np.mean((freedom + 1) / (freedom + squares / variance) * squares)), 1e-300)
    constant = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - 0.5 * math.log(freedom * math.pi * variance)
    spent = (freedom + 1) / 2 * float(np.sum(np.log1p(squares / (freedom * variance))))
    return len(squares) * constant - spent, math.sqrt(variance)
