"""What a few noisy numbers allow one to say; pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_FEWEST_SETTLED = 5
_TOLERANCE = 0.05  # of the settled time: smaller differences are no warm-up
_MADS = 4.0  # median absolute deviations, about 2.7 standard deviations of normal noise


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with the values that its truth has at the stated level of confidence.

    Attributes:
      mid: the estimate.
      low: lower end; minus infinity where too little was seen.
      high: upper end.
    """

    mid: float
    low: float
    high: float


def num_warmup(times_s: Sequence[float]) -> int:
    """How many leading steps differ from what steps settle at; found, not guessed.

    The second half of the series is taken as settled: its median, and as its spread the median absolute deviation. The
    warm-up ends before the first five steps in a row whose median is within 4 spreads (or 5 %) of it. A series that is
    still changing in its middle has no more than its second half left, which later comparisons show as noise.
    """
    half = len(times_s) // 2
    settled = times_s[half:]
    if len(settled) < _FEWEST_SETTLED:
        return 0
    level = statistics.median(settled)
    spread = statistics.median(abs(value - level) for value in settled)
    allowed = max(_MADS * spread, _TOLERANCE * level)
    for start in range(half):
        window = times_s[start : start + _FEWEST_SETTLED]
        if abs(statistics.median(window) - level) <= allowed and abs(window[0] - level) <= allowed:
            return start
    return half


def trimmed_mean(values: Sequence[float], share: float = 0.1) -> float:
    """The mean without this share of the values at either end. Raises ValueError: there are none."""
    if not values:
        raise ValueError("there is no mean of nothing")
    num_cut = int(len(values) * share)
    kept = sorted(values)[num_cut : len(values) - num_cut]
    return math.fsum(kept) / len(kept)


def t_interval(values: Sequence[float], level: float) -> Interval:
    """The mean of independent, about normal values, with Student's interval.

    Args:
      values: at least 1; of a single one nothing is known but itself.
      level: of confidence, between 0 and 1.
    Returns: not a number, with no bounds, where any value is not finite.
    """
    if not all(math.isfinite(value) for value in values):
        return Interval(math.nan, -math.inf, math.inf)
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Interval(mean, -math.inf, math.inf)
    half = t_quantile(level, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half)


def ratio_interval(logarithms: Sequence[float], level: float) -> Interval:
    """The geometric mean of paired ratios, from their logarithms, with Student's interval."""
    found = t_interval(logarithms, level)
    return Interval(math.exp(found.mid), _exp(found.low), _exp(found.high))


def relative_change(before: float, after: float) -> float:
    """By what share of itself a value has grown; not a number where either is not finite."""
    if not (math.isfinite(before) and math.isfinite(after)):
        return math.nan
    return (after - before) / abs(before) if before else after - before


def t_quantile(level: float, num_free: int) -> float:
    """The t within which Student's distribution has this much of its mass, on both sides of zero; to 1e-9.

    Args:
      level: from 0 on and below 1.
      num_free: degrees of freedom, at least 1.
    Raises: ValueError: an argument is out of range.
    """
    if not 0 <= level < 1 or num_free < 1:
        raise ValueError(f"level={level} must be in 0 .. 1 and num_free={num_free} 1 or more")
    low, high = 0.0, math.pi / 2  # of the angle whose tangent is t / sqrt(num_free)
    while high - low > 1e-12:
        middle = (low + high) / 2
        low, high = (middle, high) if _t_mass(middle, num_free) < level else (low, middle)
    return math.tan(low) * math.sqrt(num_free)


def _t_mass(angle: float, num_free: int) -> float:
    """Student's mass within -t .. t. Source: Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    sine, cosine = math.sin(angle), math.cos(angle)
    is_odd = num_free % 2
    term = cosine if is_odd else 1.0
    total = term if num_free > 1 else 0.0
    for k in range(2 + is_odd, num_free - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    return 2 / math.pi * (angle + sine * total) if is_odd else sine * total


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf
