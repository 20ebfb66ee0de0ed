"""Series whose steps are known: the generator that the detector is judged by, and what is no step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
NUM_VALUES = 100
NEAR = 3
"""A step counts as found within so many values."""


def with_step(seed: int, number: int, noise: float, step: float) -> tuple[Values, int]:
    """A series around 1.0 with outliers and one lasting step, and the place of the step."""
    source = np.random.default_rng([seed, number])
    values = 1 + noise * source.standard_normal(NUM_VALUES)
    at = int(source.integers(20, 81))
    values[at:] += step
    is_outlier = source.random(NUM_VALUES) < 0.03
    return np.where(is_outlier, values * source.uniform(1.05, 1.3, NUM_VALUES), values), at


@dataclass(frozen=True)
class Score:
    recall: float
    false_alarms: float
    """Points per flat series."""


def score(find, seed: int, num: int, noise: float, step: float) -> Score:  # type: ignore[no-untyped-def]
    """How a detector (values -> places) does on so many series with a step, and on as many without."""
    num_found = num_false = 0
    for number in range(num):
        values, at = with_step(seed, number, noise, step)
        num_found += any(abs(place - at) <= NEAR for place in find(values))
        num_false += len(find(with_step(seed, num + number, noise, 0.0)[0]))
    return Score(num_found / num, num_false / num)


def correlated(source: np.random.Generator, num: int, by: float) -> Values:
    """Noise of first order, its deviation about 1."""
    values = source.standard_normal(num)
    for at in range(1, num):
        values[at] = by * values[at - 1] + np.sqrt(1 - by * by) * values[at]
    return values
