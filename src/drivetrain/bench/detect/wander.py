"""How noise may hang together: a bank of models, and what each makes of a series, of a step and of a turn.

Each model is a filter that leaves noise of its kind independent (the innovations). A step or a turn goes through the
same filter, and what is left of it is sought by correlation with its own form: the sharpest test there is, made for all
places at once by Fourier's transform.

Source: of the test: Chen and Liu, "Joint estimation of model parameters and outlier effects in time series", JASA 1993.
  Of noise that is a walk and correlated besides: Romano, Rigaill, Runge and Fearnhead, "Detecting abrupt changes in the
  presence of local fluctuations and autocorrelated noise", JASA 2022.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from drivetrain.bench.detect.noise import Values

NUM_BEFORE = 2
"""Values at the start that every model takes as given, so that all are judged by the same others."""

Kind = Literal["level", "trend"]


class Shape(NamedTuple):
    """What a change looks like.

    Attributes:
      kind: what changes for good.
      length: values that a level takes to change; the first of them is changed already.
    """

    kind: Kind
    length: int = 1

    def drawn(self, num: int, num_values: int) -> Values:
        """So many values from the change on, of a change of 1 in all; of a trend, over the length of a series."""
        steps = np.arange(1, num + 1)
        return np.minimum(steps / self.length, 1.0) if self.kind == "level" else steps / num_values


STEP = Shape("level")
SHAPES = (STEP, Shape("level", 3), Shape("level", 6), Shape("trend"))
"""Changes that are looked for: at once, within a few values, or of the slope."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Autoregressive moving average noise: what (1 - root B), for each root, over (1 - smooth B) makes independent.

    B stands for the value before.

    Attributes:
      roots: of the autoregression; 1 for a sum of what is left, such as a random walk.
      smooth: of the moving average, none, one, or the same one twice: noise on top of what wanders.
    """

    roots: tuple[float, ...] = ()
    smooth: tuple[float, ...] = ()

    @property
    def num_parameters(self) -> int:
        """How many numbers of it were chosen to suit a series."""
        return len({root for root in self.roots if root != 1}) + len(set(self.smooth))


INDEPENDENT = Noise()
BANK = (
    INDEPENDENT,
    *(Noise((root,)) for root in (0.2, 0.4, 0.6, 0.8, 0.9)),  # first order
    Noise((0.8,), (0.4,)),  # first order, seen through noise
    Noise((0.9,), (0.6,)),
    Noise((0.95,), (0.8,)),
    Noise((1.0,)),  # a random walk
    *(Noise((1.0,), (smooth,)) for smooth in (0.3, 0.5, 0.7, 0.85, 0.93, 0.97)),  # a walk, seen through noise
    *(Noise((1.0, root)) for root in (0.3, 0.6, 0.8)),  # a walk whose steps hang together
    Noise((1.0, 1.0)),  # a slope that wanders
    *(
        Noise((1.0, 1.0), (smooth, smooth)) for smooth in (0.3, 0.6, 0.8, 0.9, 0.95)
    ),  # a smooth curve, seen through noise
)
"""From independent noise to smooth curves. A grid, since the cheapest story of all is wanted and none is sharp."""


class Filter:
    """A model at work on series of one length.

    Attributes:
      noise: the model.
      num_values: of the series.
      num: of what comes out: all but the first two.
      basis: spans what a level and, for a moving average, its unknown beginning leave; orthonormal, shape (rows, num).
      has_level: whether a level leaves anything.
      powers: sum of squares of what a change at each place leaves, from the third value on; shape (shapes, num).
      free: the same of what the basis does not span.
      slope: what a slope through the series leaves, shape (num,); None where it leaves nothing.
    """

    def __init__(self, noise: Noise, num_values: int) -> None:
        self.noise, self.num_values, self.num = noise, num_values, num_values - NUM_BEFORE
        self._size = 1 << (2 * self.num - 1).bit_length()
        steps = np.arange(self.num)
        first = noise.smooth[0] if noise.smooth else 0.0
        memory = np.power(first, steps) * (steps + 1 if len(noise.smooth) > 1 else 1)
        self._memory = np.fft.rfft(memory, self._size) if noise.smooth else None
        self._weights = np.ones(1)
        for root in noise.roots:
            self._weights = np.convolve(self._weights, [1.0, -root])
        self._left = np.array([self._after(shape.drawn(self.num, num_values)) for shape in SHAPES])
        self._spectra = np.fft.rfft(self._left, self._size).conj()
        self.powers = np.cumsum(np.square(self._left), axis=1)[:, ::-1]
        level, slope = self(np.ones(num_values)), self(np.arange(num_values) / num_values)
        unknown = [np.power(first, steps), memory][: len(noise.smooth)]
        self.has_level = _is_any(level)
        given = [level, *unknown] if self.has_level else unknown
        self.basis = orthonormal(given, np.zeros((0, self.num)))
        self.free = self.powers - self.spanned(self.basis)
        self.slope = slope if _is_any(slope) else None

    def __call__(self, values: Values) -> Values:
        """The innovations of a series; shape (num,)."""
        return self._recursed(np.convolve(values, self._weights)[NUM_BEFORE : len(values)])

    def left_of(self, shape: Shape, at: int) -> Values:
        """What a change of 1 that begins with a value leaves; shape (num,)."""
        left = np.zeros(self.num)
        left[at - NUM_BEFORE :] = self._left[SHAPES.index(shape), : self.num - (at - NUM_BEFORE)]
        return left

    def match(self, innovations: Values) -> Values:
        """Products of innovations with what a change of each shape leaves at each place, from the third value on.

        Args:
          innovations: shape (num,).
        Returns: shape (shapes, num).
        """
        spectra = np.fft.rfft(innovations, self._size) * self._spectra
        matched: Values = np.fft.irfft(spectra, self._size)[:, : self.num]
        return matched

    def spanned(self, basis: Values) -> Values:
        """Of the powers of changes, what an orthonormal basis, shape (rows, num), spans; shape (shapes, num)."""
        spectra = np.fft.rfft(basis, self._size)
        found = [np.fft.irfft(spectra * spectrum, self._size)[:, : self.num] for spectrum in self._spectra]
        return np.array([np.sum(np.square(products), axis=0) for products in found])

    def _after(self, change: Values) -> Values:
        """The filter at work on a change, of which there is nothing before."""
        return self._recursed(np.convolve(change, self._weights)[: self.num])

    def _recursed(self, values: Values) -> Values:
        if self._memory is None:
            return values
        whole: Values = np.fft.irfft(np.fft.rfft(values, self._size) * self._memory, self._size)
        return whole[: self.num]


@lru_cache(maxsize=len(BANK))
def filter_of(noise: Noise, num_values: int) -> Filter:
    """The filter; those of the last length are kept."""
    return Filter(noise, num_values)


def orthonormal(columns: Sequence[Values], basis: Values) -> Values:
    """Rows of a basis, and one more for each column; of zeros where those before span it already."""
    if not columns:
        return basis
    given = np.asarray(columns)
    left = given
    for _ in range(2):  # twice, against rounding
        left = left - (left @ basis.T) @ basis
    rows, triangle = np.linalg.qr(left.T)
    is_new = np.abs(np.diag(triangle)) > 1e-8 * np.linalg.norm(given, axis=1)
    return np.vstack([basis, np.where(is_new, rows, 0.0).T])


def _is_any(column: Values) -> bool:
    return float(column @ column) > 1e-9


def schwarz(rest: float, num: int, num_parameters: float, num_values: int) -> float:
    """Schwarz's criterion, of what is left in units of the series; up to a constant of the series.

    Below a millionth of the series' deviation all is rounding.
    """
    return num * math.log(max(rest / num, 1e-12)) + num_parameters * math.log(num_values)


Mask = npt.NDArray[np.bool_]
