"""Times as traces have them, microseconds as floats -> nanoseconds, and which of them make sense."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from drivetrain.profile.trace import Ints

Floats = npt.NDArray[np.float64]

LATEST_US = 4e15
"""Of times and durations: two of them, in ns, fit into 64 bits with room to spare. From 1970 it is the year 2096."""


def nanoseconds(times_us: Floats) -> Ints:
    """Microseconds -> ns: as exact as floats are, 0.25 us for those that count from 1970 and have fractions."""
    whole = np.floor(times_us)
    return whole.astype(np.int64) * 1000 + np.rint((times_us - whole) * 1000).astype(np.int64)


def sensible(ts_us: Floats, dur_us: Floats, skipped: Counter[str]) -> npt.NDArray[np.bool_] | None:
    """Which events have times that make sense, None where all do; the others are counted.

    Args:
      ts_us, dur_us: begins and durations, NaN where there is none; shape (N,) each.
      skipped: grows.
    """
    is_good = (np.abs(ts_us) <= LATEST_US) & (dur_us >= 0) & (dur_us <= LATEST_US)
    if is_good.all():
        return None
    is_missing = np.isnan(ts_us) | np.isnan(dur_us)
    reasons = {
        "an event without a time or duration": is_missing,
        "an event with a negative duration": ~is_missing & (dur_us < 0),
        "an event at an impossible time": ~is_missing & (dur_us >= 0) & ~is_good,
    }
    skipped.update({reason: int(bad.sum()) for reason, bad in reasons.items() if bad.any()})
    return is_good
