"""Times as tools see them that keep microseconds as floats of 64 bits, which decides the last digits of their figures.

Times of day in microseconds are 0.25 apart in such floats, and those since Kineto's base time still about 0.001.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from drivetrain.profile.analyse.links import Rows
from drivetrain.profile.trace import Ints, Trace

Floats = npt.NDArray[np.float64]


def times_us(trace: Trace, rows: Rows) -> tuple[Floats, Floats]:
    """Begins and ends of these events, rounded as JSON's reader and an addition round them; shape as rows.

    They count from the last whole microsecond of the file's clock that is not after `origin.base_ns`; taking that off
    is exact, so differences are those of the file's own times.
    """
    from_ns = _file_ns(trace)
    whole_us, part_ns = np.divmod(trace.ts_ns[rows] + from_ns, 1000)
    begin_us = whole_us + part_ns / 1000.0
    end_us = begin_us + trace.dur_ns[rows] / 1000.0
    return begin_us - from_ns // 1000, end_us - from_ns // 1000


def at_us(trace: Trace, at_ns: Ints) -> Floats:
    """Times from `origin.base_ns` on the scale of `times_us`."""
    return (at_ns + _file_ns(trace) % 1000) / 1000.0


def _file_ns(trace: Trace) -> int:
    return trace.origin.base_ns - trace.origin.clock_ns
