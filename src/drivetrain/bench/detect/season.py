"""A pattern that repeats: its period, and what it adds to each value."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from drivetrain.bench.detect.noise import Values, spread

CLEAR_LEAD = 10.0
"""Of Schwarz's criterion: "very strong" evidence after Kass and Raftery, "Bayes factors", JASA 1995."""

_SHORTEST_PERIOD, _LONGEST_PERIOD = 2, 400
_FEWEST_CYCLES = 3
_MOST_VALUES = 8192  # of which the period is told
_OUTLIER = 4.0
_HIGHEST_CORRELATION = 0.95


class Season(NamedTuple):
    """What repeats.

    Attributes:
      period: in values; 0 where nothing repeats.
      pattern: what it adds to each value, of mean 0 over a period; shape (n,).
    """

    period: int
    pattern: Values


def season_of(values: Values) -> Season:
    """The season of a series; one with a period of 0 and a pattern of zeros where there is none.

    The pattern is what values of one phase have in common, as medians about a moving mean over one period: a step
    spoils the cycle that it falls into, and no other.

    Args:
      values: finite, in order.
    """
    period = _period_of(values[-_MOST_VALUES:])
    if not period:
        return Season(0, np.zeros(len(values)))
    half = period // 2
    about = (values - _moving_mean(values, period))[half : len(values) - half]
    phases = np.arange(half, len(values) - half) % period
    pattern = np.array([np.median(about[phases == phase]) for phase in range(period)])
    return Season(period, (pattern - np.mean(pattern))[np.arange(len(values)) % period])


def _period_of(values: Values) -> int:
    """The period whose pattern tells the series best by Schwarz's criterion, and surely better than none."""
    longest = min(len(values) // _FEWEST_CYCLES, _LONGEST_PERIOD)
    leads = {period: _lead(values, period) for period in _candidates(values, longest)}
    best = max(leads, key=lambda period: leads[period], default=0)
    return best if best and leads[best] > CLEAR_LEAD else 0


def _candidates(values: Values, longest: int) -> list[int]:
    """Periods after which values, or their differences, are alike by half as much as a pattern has to explain."""
    if longest < _SHORTEST_PERIOD:
        return []
    alike = np.maximum(_alike(values - _moving_mean(values, longest), longest), _alike(np.diff(values), longest))
    num = len(values)
    return [
        period
        for period in range(_SHORTEST_PERIOD, longest + 1)
        if alike[period] > -0.5 * math.expm1(-((period - 1) * math.log(num) + CLEAR_LEAD) / num)
    ]


def _alike(values: Values, longest: int) -> Values:
    """Correlation of values, without outliers, with those so many places later; shape (longest + 1,)."""
    centred = values - np.median(values)
    scale = spread(centred)
    if not scale:
        return np.zeros(longest + 1)
    centred = np.clip(centred, -_OUTLIER * scale, _OUTLIER * scale)
    num = len(centred)
    spectrum = np.fft.rfft(centred, 2 * num)
    products: Values = np.fft.irfft(np.square(np.abs(spectrum)), 2 * num)[: longest + 1]
    alike: Values = products / products[0] * num / (num - np.arange(longest + 1))
    return alike


def _lead(values: Values, period: int) -> float:
    """By how much Schwarz's criterion is better with a pattern than without.

    Of values about their moving mean, less as much of the value before as makes what is left of them independent: so
    neither slow moves nor correlated noise look like a season.
    """
    about = values - _moving_mean(values, period)
    scale = spread(about)
    if not scale:
        return 0.0
    about = np.clip(about, -_OUTLIER * scale, _OUTLIER * scale)
    phases = np.arange(len(values)) % period
    rest = about - _by_phase(about, phases, period)
    power = float(rest @ rest)
    correlated = min(max(float(rest[1:] @ rest[:-1]) / power, 0.0), _HIGHEST_CORRELATION) if power else 0.0
    fresh = about[1:] - correlated * about[:-1]
    fresh = fresh - np.mean(fresh)
    rest = fresh - _by_phase(fresh, phases[1:], period)
    before, after = float(fresh @ fresh), float(rest @ rest)
    gain = len(values) * math.log(before / max(after, 1e-12 * before)) if before else 0.0
    return gain - (period - 1) * math.log(len(values))


def _by_phase(values: Values, phases: npt.NDArray[np.intp], period: int) -> Values:
    means = np.bincount(phases, values, period) / np.bincount(phases, minlength=period)
    found: Values = means[phases]
    return found


def _moving_mean(values: Values, period: int) -> Values:
    """Over one period, of which an even one has half a value at both ends; the first and last whole ones go on."""
    half = period // 2
    total = np.concatenate([[0.0], np.cumsum(values)])
    if period % 2:
        means = (total[period:] - total[:-period]) / period
    else:
        wide = total[period + 1 :] - total[: -period - 1]
        means = (wide - (values[:-period] + values[period:]) / 2) / period
    return np.concatenate([np.full(half, means[0]), means, np.full(half, means[-1])])
