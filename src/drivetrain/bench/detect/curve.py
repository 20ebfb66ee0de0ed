"""Could a smooth curve tell the values of several levels as well as steps do?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from drivetrain.bench.detect.noise import CUT, Values

_HIGHEST_DEGREE = 3
_FEWEST = 16
POSITIVE_EVIDENCE = 2.0
_NUM_REFITS = 4


def curve_lead(values: Values, cuts: Sequence[int], noise: float) -> float:
    """By how much a smooth curve tells these values better than steps, past what counts as evidence for it at all.

    Steps, alone or on a slope, against polynomials of up to the third degree, by Schwarz's criterion (the place of a
    step counts as a parameter). A curve has to lead by 2, which Kass and Raftery ("Bayes factors", JASA 1995) call
    positive evidence.

    Args:
      values: of neighbouring levels.
      cuts: where each but the first begins.
      noise: standard deviation of the values about their levels.
    """
    num = len(values)
    if num < _FEWEST:
        return 0.0
    around = np.lib.stride_tricks.sliding_window_view(np.pad(values, 3, mode="reflect"), 7)
    is_near = np.abs(values - np.median(around, axis=1)) <= CUT * noise
    powers = np.vander(np.linspace(-1, 1, num), _HIGHEST_DEGREE + 1, increasing=True)
    jumps = (np.arange(num)[:, None] >= np.asarray(cuts)).astype(np.float64)
    steps = [_criterion(values, np.hstack([powers[:, :degree], jumps]), len(cuts), noise, is_near) for degree in (1, 2)]
    curves = [
        _criterion(values, powers[:, : degree + 1], 0, noise, is_near) for degree in range(1, _HIGHEST_DEGREE + 1)
    ]
    return float(min(steps) - min(curves)) - POSITIVE_EVIDENCE


def _criterion(values: Values, columns: Values, num_more: int, noise: float, is_near: npt.NDArray[np.bool_]) -> float:
    """Schwarz's criterion of a fit with the cost of `segment`, from least squares of what is near the fit.

    Args:
      values: shape (n,).
      columns: shape (n, parameters).
      num_more: parameters that no column stands for.
      noise: standard deviation.
      is_near: what to begin with.
    """
    num_parameters = columns.shape[1] + num_more
    rest = values
    for _ in range(_NUM_REFITS):
        used = columns[is_near]
        found = np.linalg.lstsq(used.T @ used, used.T @ values[is_near], rcond=None)[0]
        rest = (values - columns @ found) / noise
        was_near, is_near = is_near, np.abs(rest) <= CUT
        if np.array_equal(was_near, is_near):
            break
    return float(np.sum(np.minimum(rest * rest, CUT * CUT)) + num_parameters * math.log(len(values)))
