"""The period of stamps that lie on an even grid, also where most messages are missing and each stamp jitters.

A grid shows as a line in the stamps' spectrum (Bartlett's method: the power of short windows, averaged, so that a clock
which wanders slowly does no harm). Jitter of a fifth of the period leaves a fifth of the line's power; distances of
neighbours tell no period there.
"""

from __future__ import annotations

import numpy as np

from drivetrain.data.arrays import Floats, Ints

_WINDOW = 63  # distances
_FEWEST = 15
_MOST_WINDOWS = 8
_LONG = 4.0  # times the usual length of a window: it holds a pause
_SLOWEST, _FASTEST = 0.4, 4.2  # the rates that are tried, of the one by the median distance
_FINENESS, _BINS = 4.0, 8.0  # rates in the width of a line; bins in the shortest period
_LEAST_POWER, _LEAST_OF_FEW = 0.15, 12.0  # of a line; the second over the number of stamps, as chance is
_NEARLY = 0.9  # a multiple of the rate is as strong where nothing jitters: the lowest of such lines counts
_MOST_SHORT, _LEAST_SINGLE = 0.08, 0.6
_BURSTS = 5.0  # times the median distance, on average: messages come in bursts


def grid_period_ns(forward: Ints) -> float | None:
    """The period of the grid on which stamps with these distances lie, or None where they lie on none.

    Args:
      forward: distances of each stamp to the one before, above 0; ns.
    """
    if len(forward) < _FEWEST:
        return None
    stamps_WN = _windows(forward)
    if stamps_WN[:, -1].max() > _BURSTS * stamps_WN.shape[1] * np.median(forward):
        return None
    usual_per_ns = 1 / float(np.median(forward))
    rates, power = _spectrum(stamps_WN, _FASTEST * usual_per_ns)
    slow = int(np.searchsorted(rates, _SLOWEST * usual_per_ns))
    rates, power = rates[slow:], power[slow:]
    first = int(np.flatnonzero(power >= _NEARLY * power.max())[0])
    fine = rates[first] + np.linspace(-1, 1, 65) / float(stamps_WN[:, -1].max())
    fine_power = _power(stamps_WN, fine)
    period = 1 / float(fine[fine_power.argmax()])
    least = max(_LEAST_POWER, _LEAST_OF_FEW / stamps_WN.shape[1] / float(np.sqrt(len(stamps_WN))))
    return period if fine_power.max() >= least and _is_one_a_period(forward, period) else None


def _windows(forward: Ints) -> Floats:
    """Stamps of some windows, from 0 on, those with a pause left out: W x N, ns."""
    size = min(_WINDOW, len(forward))
    starts = np.unique(np.linspace(0, len(forward) - size, min(_MOST_WINDOWS, len(forward) // size)).astype(np.int64))
    stamps_WN = np.stack([np.cumsum(forward[start : start + size]) for start in starts]).astype(np.float64)
    spans = stamps_WN[:, -1]
    return stamps_WN[spans <= _LONG * np.median(spans)]


def _spectrum(stamps_WN: Floats, fastest_per_ns: float) -> tuple[Floats, Floats]:
    """Rates up to the fastest, and how strong each is, nearly: stamps are counted in narrow bins."""
    bin_ns = 1 / (_BINS * fastest_per_ns)
    size = int(_FINENESS * stamps_WN[:, -1].max() / bin_ns) + 1
    counts_WB = np.zeros((len(stamps_WN), size))
    np.add.at(counts_WB, (np.arange(len(stamps_WN))[:, None], (stamps_WN / bin_ns).astype(np.int64)), 1)
    power = (np.abs(np.fft.rfft(counts_WB, axis=1)) ** 2).mean(0) / stamps_WN.shape[1] ** 2
    rates = np.arange(len(power)) / (size * bin_ns)
    within = rates <= fastest_per_ns
    return rates[within], power[within]


def _power(stamps_WN: Floats, rates_F: Floats) -> Floats:
    """How strong each rate is, 0 to 1."""
    found = [(np.abs(np.exp(2j * np.pi * rate * stamps_WN).mean(1)) ** 2).mean() for rate in rates_F.tolist()]
    return np.asarray(found, np.float64)


def _is_one_a_period(forward: Ints, period: float) -> bool:
    """Whether messages come one at a time, and as often in a row as their number says."""
    arriving = min(1.0, period / float(np.mean(forward[forward <= np.median(forward) * 20])))
    single = float((forward < 1.5 * period).mean())
    return bool((forward < 0.5 * period).mean() <= _MOST_SHORT and single >= _LEAST_SINGLE * arriving)
