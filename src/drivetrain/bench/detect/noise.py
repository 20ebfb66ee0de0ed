"""How much a series wobbles, and for how long one wobble lasts; told from differences, which steps hardly touch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

CUT = 3.0
"""Standard deviations past which a value counts as an outlier and says nothing of level or noise.

Source: the biweight's bound in Fearnhead and Rigaill, "Changepoint detection in the presence of outliers", JASA 2019.
"""

_NORMAL_MAD = 0.6745  # median absolute deviation of normal noise, in standard deviations
_KEPT_VARIANCE = 0.9733  # variance of a normal variable cut off at 3 standard deviations
_HIGHEST_CORRELATION = 0.97
_NORMAL_95 = 1.645
_FEWEST_FOR_DIFFERENCES = 50  # of fewer, one ratio in 100 is more than twice what it should be


def spread(values: Values) -> float:
    """The standard deviation about zero of the bulk of the values; 0 where most of them are 0.

    The median absolute value gives a first guess; the standard deviation of what lies within 3 of those, corrected for
    what was cut off, is nearly as sharp as that of normal values without outliers.
    """
    if not values.size:
        return 0.0
    size = np.abs(values)
    guess = float(np.median(size)) / _NORMAL_MAD
    bulk = size[size <= CUT * guess]
    return float(np.sqrt(np.mean(bulk * bulk) / _KEPT_VARIANCE)) if guess else 0.0


def noise_of(values: Values) -> float:
    """The standard deviation of independent noise around levels that seldom change; 0 for a constant.

    Where neighbours are mostly equal, as in series of few distinct numbers, it is what the mean difference of normal
    noise would say.
    """
    steps = np.diff(values)
    found = spread(steps) / np.sqrt(2)
    return found or float(np.mean(np.abs(steps))) * np.sqrt(np.pi) / 2 if steps.size else 0.0


def correlation(values: Values, fitted: Values, noise: float) -> float:
    """Correlation of a value's noise with the noise of the next, from 0 to 0.97; 0 where it could be none.

    The larger of two estimates. One is from residuals of the levels that were fitted, which is blind to what the fit
    has followed; it counts where it is past what independent noise gives in one series out of twenty. The other is from
    differences two apart over differences one apart, which is blind to levels, but less sharp; what counts is by how
    much it is past three times that, in series of at least 50 values.

    Source: the second is the estimator of Chakar, Lebarbier, Levy-Leduc and Robin, "A robust approach for estimating
      change-points in the mean of an AR(1) process", Bernoulli 2017, with `spread` for the median.
    """
    error = _NORMAL_95 / np.sqrt(len(values))
    bounded = np.clip(values - fitted, -CUT * noise, CUT * noise)
    power, least = float(bounded @ bounded), 1e-12 * noise * noise * len(values)  # below: what rounding leaves
    by_residuals = float(bounded[1:] @ bounded[:-1]) / power if power > least else 0.0
    one, two = spread(values[1:] - values[:-1]), spread(values[2:] - values[:-2])
    by_differences = (two / one) ** 2 - 1 if one and len(values) >= _FEWEST_FOR_DIFFERENCES else 0.0
    found = max(by_residuals * (by_residuals > error), by_differences - 3 * error, 0.0)
    return float(min(found, _HIGHEST_CORRELATION))


def inflation(correlated: float) -> float:
    """How many times larger the variance of a mean is than independence would have it, for noise of first order."""
    return (1 + correlated) / (1 - correlated)


def level(values: Values, noise: float) -> float:
    """Where values without outliers lie: the mean of those within 3 standard deviations of the median."""
    middle = float(np.median(values))
    near = values[np.abs(values - middle) <= CUT * noise]
    return float(np.mean(near)) if near.size else middle
