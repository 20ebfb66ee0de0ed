"""Where a series changes for good, and how sure that is; pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.bench.detect.evidence import FEWEST_VALUES
from drivetrain.bench.detect.levels import FALSE_ALARMS, MIN_LENGTH, Levels
from drivetrain.bench.detect.noise import Values, level, noise_of, spread
from drivetrain.bench.detect.season import season_of
from drivetrain.bench.detect.telling import Telling, is_independent, told_otherwise
from drivetrain.bench.detect.wander import STEP, Kind

__all__ = ["FALSE_ALARMS", "MIN_LENGTH", "Change", "changes"]

_NORMAL_975 = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A point where the level changes, or the slope.

    Attributes:
      index: of the first value that is changed, from 0.
      kind: "level"; "trend" where the slope alone changes.
      before: level before; robust mean up to the point before, without the season.
      after: level from here up to the next point.
      slope_before: by how much it grows with each value up to here; None where the level changes.
      slope_after: the same, from here on.
      change_pct: after over before, less one; None of a trend, and where before is 0 or has not the sign of after.
      low_pct: lower end of its interval at 95 %, for a point in this place.
      high_pct: upper end.
      false_alarm: the chance that a series without changes would be given a point as clear as this anywhere.
      num_before: finite values before it, from the last point on.
      num_after: from it up to the next.
    """

    index: int
    kind: Kind
    before: float
    after: float
    slope_before: float | None
    slope_after: float | None
    change_pct: float | None
    low_pct: float | None
    high_pct: float | None
    false_alarm: float
    num_before: int
    num_after: int

    @property
    def confidence_pct(self) -> float:
        """How sure it is that there is any change."""
        return 100 * (1 - self.false_alarm)


def changes(values: Sequence[float] | Values) -> tuple[Change, ...]:
    """Where the level of a series changes for good, or its slope, in order.

    A season is taken away where there is one. Levels among independent noise are tried first (`levels.py`). Where noise
    of another kind, such as correlated noise, a random walk or a smooth curve, tells the series better, the points are
    those that are needed whatever the kind of noise (`evidence.py`), and may be turns of a slope too.

    Assumed: noise of one size, with outliers; order matters, times do not. What is not finite is left out. On a series
    of independent noise the chance of any point is at most 2 %.

    Args:
      values: in order of time; fewer than 10 have no points.
    """
    given = np.asarray(values, dtype=np.float64)
    places = np.flatnonzero(np.isfinite(given))
    kept = given[places]
    scale = float(np.max(np.abs(kept), initial=0.0))
    if len(kept) < 2 * MIN_LENGTH or not scale:
        return ()
    scale = 2.0 ** math.frexp(scale)[1] if scale < 1e300 else scale
    telling = _told(kept / scale)  # so that squares neither overflow nor vanish
    return tuple(_change(telling, number, places, scale) for number in range(len(telling.cuts)))


def _told(values: Values) -> Telling:
    season = season_of(values)
    plain = values - season.pattern
    noise = noise_of(plain)
    if noise < 8 * np.finfo(np.float64).eps:
        return Telling(plain, noise)
    levels = Levels(plain, noise)
    if len(values) >= FEWEST_VALUES and not is_independent(plain, levels):
        return told_otherwise(values, levels.cuts)
    kinds = tuple(STEP.kind for _ in levels.cuts)
    return Telling(plain, noise, tuple(levels.cuts), kinds, tuple(levels.doubts), levels.inflation)


def _change(telling: Telling, number: int, places: npt.NDArray[np.intp], scale: float) -> Change:
    """One of a series, in the units and places that were given."""
    begin, cut, end = telling.around(number)
    first, second = telling.values[begin:cut], telling.values[cut:end]
    before, after = level(first, telling.noise), level(second, telling.noise)
    is_trend = telling.kinds[number] == "trend"
    percents = None if is_trend or before * after <= 0 else _percents(telling, number, before, after)
    low_pct, change_pct, high_pct = percents or (None, None, None)
    return Change(
        index=int(places[cut]),
        kind=telling.kinds[number],
        before=before * scale,
        after=after * scale,
        slope_before=_slope(first) * scale if is_trend else None,
        slope_after=_slope(second) * scale if is_trend else None,
        change_pct=change_pct,
        low_pct=low_pct,
        high_pct=high_pct,
        false_alarm=telling.false_alarms[number],
        num_before=cut - begin,
        num_after=end - cut,
    )


def _percents(telling: Telling, number: int, before: float, after: float) -> tuple[float, float, float]:
    """By how much the level changes, between the ends of its interval."""
    begin, cut, end = telling.around(number)
    rest = spread(telling.values[begin:end] - np.repeat([before, after], [cut - begin, end - cut]))
    half = _NORMAL_975 * rest * math.sqrt(telling.inflation * (1 / (cut - begin) + 1 / (end - cut)))
    low, middle, high = sorted(100 * (after - before + move) / before for move in (-half, 0, half))
    return low, middle, high


def _slope(values: Values) -> float:
    """Of the straight line of least squares, per value."""
    steps = np.arange(len(values)) - (len(values) - 1) / 2
    return float(steps @ values / (steps @ steps))
