"""When one stream says what another says: lag and drift of its clock, with how sure that is.

Between two of its stamps the slower stream turned (or travelled) by so much; the faster stream is asked for the same
stretch, earlier by a lag. The lag, its growth, a scale and a bias are fitted together by least squares, so neither the
rates of the two streams nor an uncalibrated gyro shift the result, and the residual tells the error of each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.data.arrays import Floats, Ints, Mask
from drivetrain.data.health.motion import Motion

_REACH_S = 2.0  # lags are looked for up to here
_COARSE_S = 0.04
_STRETCH_S = 0.05  # the slower stream is thinned to this: shorter stretches are mostly jitter
_FEWEST = 8
_ROUNDS = 6
_OUTLIER = 6.0  # robust deviations
_LEAST_ERROR_S = 5e-5  # of any lag: what reading between stamps may add, however quiet the streams
_KNOT_S, _MOST_PIECES = 8.0, 40
_DENSE_S = 0.03  # stamps nearer than this are joined by lines: their rates would be mostly jitter


@dataclass(frozen=True, slots=True)
class Lag:
    """How a stream's stamps lie to another's.

    Attributes:
      lag_s: how much later its stamps are; in the middle of the time that both cover.
      drift_ppm: how fast that grows, microseconds a second.
      lag_error_s, drift_error_ppm: standard errors.
      correlation: of the two streams' rates, once the lag is taken out.
      rival: how much worse the best other lag fits, as a multiple of what chance would do; low means ambiguous.
      middle_s: the time at which `lag_s` holds.
    """

    lag_s: float
    drift_ppm: float
    lag_error_s: float
    drift_error_ppm: float
    correlation: float
    rival: float
    middle_s: float

    @property
    def reversed(self) -> Lag:
        """The same, of the other stream."""
        return Lag(
            -self.lag_s,
            -self.drift_ppm,
            self.lag_error_s,
            self.drift_error_ppm,
            self.correlation,
            self.rival,
            self.middle_s,
        )


def lag_between(one: Motion, other: Motion) -> Lag | None:
    """How much later `one` stamps what `other` stamps too; None where they share too little, or neither moves."""
    if one.period_s < other.period_s:
        found = lag_between(other, one)
        return found.reversed if found else None
    first, last = max(one.t_s[0], other.t_s[0]), min(one.t_s[-1], other.t_s[-1])
    slow = _Stretches.of(one, first, last)
    if slow is None or not np.ptp(slow.told_N) > 0 or not np.ptp(other.rate_N) > 0:
        return None
    reach = min(_REACH_S, (last - first) / 4)
    lags = np.arange(-reach, reach + _COARSE_S / 2, _COARSE_S)
    fits = [_fit_at(slow, other, lag) for lag in lags]
    misfits = np.array([fit if fit is not None else np.inf for fit in fits])
    if not np.isfinite(misfits).any():
        return None
    best = int(misfits.argmin())
    if best in (0, len(lags) - 1):
        return None
    return _refined(slow, one, other, float(lags[best]), _rival(lags, misfits, best, slow))


@dataclass(frozen=True, eq=False)
class _Stretches:
    """A stream as stretches between stamps: start, end, and the mean rate in it."""

    start_s: Floats
    end_s: Floats
    told_N: Floats

    @classmethod
    def of(cls, motion: Motion, first_s: float, last_s: float) -> _Stretches | None:
        inside = _thinned(motion, first_s, last_s)
        if len(inside) < _FEWEST + 1:
            return None
        t_s, total = motion.t_s[inside], motion.total_N[inside]
        length = np.diff(t_s)
        kept = length < 3 * np.median(length)
        if kept.sum() < _FEWEST:
            return None
        return cls(t_s[:-1][kept], t_s[1:][kept], (np.diff(total) / length)[kept])

    @property
    def at_s(self) -> Floats:
        middle: Floats = (self.start_s + self.end_s) / 2
        return middle

    @property
    def middle_s(self) -> float:
        return float(self.at_s.mean())

    @property
    def slow_terms(self) -> Floats:
        return np.ones((len(self.told_N), 1))

    def ask(self, fast: Motion, lag_s: float, drift: float) -> tuple[Floats, Floats, Mask]:
        """What the faster stream says of the same stretches, how that grows with time, and where it covers them."""
        late = lag_s + drift * (self.at_s - self.middle_s)
        start, end = self.start_s - late, self.end_s - late
        asked, covered = _asked(fast, start, end)
        rise = (_rate_at(fast, end) - _rate_at(fast, start)) / (end - start)
        return asked, rise, covered


@dataclass(frozen=True, eq=False)
class _Points:
    """A stream as what was turned or travelled so far, at its stamps."""

    at_s: Floats
    told_N: Floats

    @classmethod
    def of(cls, motion: Motion, first_s: float, last_s: float) -> _Points:
        inside = _thinned(motion, first_s, last_s)
        return cls(motion.t_s[inside], motion.total_N[inside] - motion.total_N[inside[0]])

    @property
    def middle_s(self) -> float:
        return float(self.at_s.mean())

    @property
    def slow_terms(self) -> Floats:
        """What two sums drift apart by: a broken line with a knot every ten seconds or so."""
        length = float(np.ptp(self.at_s))
        num_pieces = int(np.clip(length // _KNOT_S, 1, _MOST_PIECES))
        x = (self.at_s - self.at_s[0]) / max(length, 1e-9) * num_pieces
        hats: Floats = np.maximum(0.0, 1 - np.abs(x[:, None] - np.arange(num_pieces + 1)))
        return hats

    def ask(self, fast: Motion, lag_s: float, drift: float) -> tuple[Floats, Floats, Mask]:
        """What the faster stream says it was by then, its rate, and where it has no gap."""
        at_s = self.at_s - lag_s - drift * (self.at_s - self.middle_s)
        _, covered = _asked(fast, at_s - 1e-6, at_s + 1e-6)
        asked = _total_at(fast, at_s)
        return asked - asked[len(asked) // 2], _rate_at(fast, at_s), covered


def _thinned(motion: Motion, first_s: float, last_s: float) -> Ints:
    inside = np.flatnonzero((motion.t_s >= first_s) & (motion.t_s <= last_s))
    thinned: Ints = inside[:: max(1, round(_STRETCH_S / max(motion.period_s, 1e-6)))]
    return thinned


def _rate_at(motion: Motion, at_s: Floats) -> Floats:
    """The rate, smoothed over a tenth of a second or so."""
    reach = max(_STRETCH_S, motion.period_s)
    rate: Floats = (_total_at(motion, at_s + reach) - _total_at(motion, at_s - reach)) / (2 * reach)
    return rate


def _asked(fast: Motion, start_s: Floats, end_s: Floats) -> tuple[Floats, Mask]:
    """Mean rate of the faster stream over stretches, and which of them it covers without a gap."""
    begin, end = _total_at(fast, start_s), _total_at(fast, end_s)
    left = np.clip(np.searchsorted(fast.t_s, start_s, side="right") - 1, 0, len(fast.t_s) - 2)
    right = np.clip(np.searchsorted(fast.t_s, end_s, side="left"), 1, len(fast.t_s) - 1)
    covered = (start_s >= fast.t_s[0]) & (end_s <= fast.t_s[-1]) & (fast.gaps_N[right] == fast.gaps_N[left])
    return (end - begin) / (end_s - start_s), covered


def _total_at(motion: Motion, at_s: Floats) -> Floats:
    """The total between stamps, by cubic pieces that keep the rate (Hermite), or by lines where stamps are dense."""
    t_s = motion.t_s
    if motion.period_s < _DENSE_S:
        return np.interp(at_s, t_s, motion.total_N)
    i = np.clip(np.searchsorted(t_s, at_s, side="right") - 1, 0, len(t_s) - 2)
    width = t_s[i + 1] - t_s[i]
    x = np.clip((at_s - t_s[i]) / width, 0, 1)
    a, b, rise_a, rise_b = motion.total_N[i], motion.total_N[i + 1], motion.rate_N[i], motion.rate_N[i + 1]
    here: Floats = (
        (1 + 2 * x) * (1 - x) ** 2 * a
        + x * (1 - x) ** 2 * width * rise_a
        + x * x * (3 - 2 * x) * b
        + x * x * (x - 1) * width * rise_b
    )
    return here


def _fit_at(slow: _Stretches, fast: Motion, lag_s: float) -> float | None:
    """Mean squared misfit at a lag, with the best scale and bias; relative to the spread of the slower stream."""
    asked, covered = _asked(fast, slow.start_s - lag_s, slow.end_s - lag_s)
    if covered.sum() < max(_FEWEST, len(covered) // 2):
        return None
    told, asked = slow.told_N[covered], asked[covered]
    told, asked = told - told.mean(), asked - asked.mean()
    power, spread = float(asked @ asked), float(told @ told)
    if not power > 0 or not spread > 0:
        return None
    return 1 - float(told @ asked) ** 2 / (power * spread)


def _rival(lags: Floats, misfits: Floats, best: int, slow: _Stretches) -> float:
    """How much worse the best lag is that lies in another valley, in units of what noise alone would do."""
    low = high = best
    while low > 0 and misfits[low - 1] >= misfits[low]:
        low -= 1
    while high < len(lags) - 1 and misfits[high + 1] >= misfits[high]:
        high += 1
    others = np.concatenate([misfits[:low], misfits[high + 1 :]])
    others = others[np.isfinite(others)]
    if not len(others):
        return float("inf")
    noise = max(float(misfits[best]), 1e-12)
    return float(np.sqrt(max(0.0, len(slow.told_N) * (float(others.min()) - noise) / noise)))


def _refined(slow: _Stretches, one: Motion, fast: Motion, lag_s: float, rival: float) -> Lag | None:
    """The more certain of two fits: of what was turned so far (best where stamps jitter), and of how fast (where a
    position jumps)."""
    so_far = _Points.of(one, slow.start_s[0], slow.end_s[-1])
    fits = [_fitted(points, fast, lag_s) for points in (so_far, slow) if points is not None]
    found = [fit for fit in fits if fit is not None]
    if not found:
        return None
    best = min(found, key=lambda fit: float(fit.error_s))
    misfit = _fit_at(slow, fast, best.lag_s)
    correlation = float(np.sqrt(max(0.0, 1 - misfit))) if misfit is not None else 0.0
    length_s = float(slow.end_s[-1] - slow.start_s[0])
    return Lag(
        lag_s=best.lag_s,
        drift_ppm=best.drift * 1e6,
        lag_error_s=float(np.hypot(best.error_s, _LEAST_ERROR_S)),
        drift_error_ppm=float(np.hypot(best.drift_error, 6 * _LEAST_ERROR_S / length_s)) * 1e6,
        correlation=correlation,
        rival=rival,
        middle_s=slow.middle_s,
    )


@dataclass(frozen=True, slots=True)
class _Fit:
    lag_s: float
    drift: float
    error_s: float
    drift_error: float


def _fitted(points: _Points | _Stretches, fast: Motion, lag_s: float) -> _Fit | None:
    """Gauss and Newton on lag, drift, scale and what changes slowly; outliers are left out twice."""
    told, middle, drift = points.told_N, points.middle_s, 0.0
    kept = np.ones(len(told), np.bool_)
    for turn in range(_ROUNDS):
        asked, rise, covered = points.ask(fast, lag_s, drift)
        used = kept & covered
        slow_terms = points.slow_terms
        if used.sum() < _FEWEST + slow_terms.shape[1]:
            return None
        scale = _scale(told[used], asked[used], slow_terms[used])
        along = points.at_s - middle
        columns = np.column_stack([-scale * rise, -scale * rise * along, asked, slow_terms])[used]
        size = np.linalg.norm(columns, axis=0)
        if not (size > 0).all() or not np.isfinite(size).all():
            return None
        solved, *_ = np.linalg.lstsq(columns / size, told[used], rcond=None)
        residual = told[used] - columns / size @ solved
        lag_s, drift = lag_s + float(solved[0] / size[0]), drift + float(solved[1] / size[1])
        if abs(lag_s) > 2 * _REACH_S or abs(drift) > 0.1:
            return None
        if turn in (1, 3):
            kept[used] = np.abs(residual) <= _OUTLIER * max(1.4826 * float(np.median(np.abs(residual))), 1e-12)
    errors = _errors(columns / size, residual) / size
    return _Fit(lag_s, drift, float(errors[0]), float(errors[1]))


def _scale(told: Floats, asked: Floats, slow_terms: Floats) -> float:
    solved, *_ = np.linalg.lstsq(np.column_stack([asked, slow_terms]), told, rcond=None)
    return float(solved[0])


def _errors(columns: Floats, residual: Floats) -> Floats:
    """Standard errors of the four, wider where neighbouring residuals are alike."""
    freedom = max(1, len(residual) - columns.shape[1])
    spread = float(residual @ residual) / freedom
    alike = float(residual[1:] @ residual[:-1]) / max(float(residual @ residual), 1e-300)
    alike = min(max(alike, 0.0), 0.99)
    try:
        inverse = np.linalg.inv(columns.T @ columns)
    except np.linalg.LinAlgError:
        return np.full(columns.shape[1], np.inf)
    errors: Floats = np.sqrt(np.maximum(np.diag(inverse), 0) * spread * (1 + alike) / (1 - alike))
    return errors
