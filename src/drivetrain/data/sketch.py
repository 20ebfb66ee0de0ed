"""What many numbers are like, in a few kilobytes that add up: sketches of parts merge into the sketch of the whole.

A sketch counts numbers in buckets whose edges grow by a fixed ratio, so every quantile is known to within 1 % of its
value, however many numbers there were, and two sketches always have the same edges: merging adds counts, comparing
subtracts shares. Source: DDSketch, arXiv:1908.10693; moments after Chan, Golub and LeVeque (1979).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivetrain.data.arrays import Floats, Mask

RELATIVE_ERROR = 0.01
"""How far a quantile may lie from the true one, as a share of its value."""

_LOG_RATIO = float(np.log((1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)))
_SMALLEST, _LARGEST = 1e-9, 1e15
"""Sizes below count as zero; sizes above fall into the last bucket. They bound a sketch to some 5,600 buckets."""
_LEAST_SHARE = 1e-4  # of a bucket that one side of a comparison has and the other has not


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, mean and spread of finite numbers; `squares` is the sum of squared distances from the mean."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    @property
    def std(self) -> float:
        """Standard deviation of the numbers as a whole population; 0 where there are none."""
        return float(np.sqrt(self.squares / self.count)) if self.count else 0.0

    def merge(self, other: Moments) -> Moments:
        """Moments of both together, equal to those of all numbers at once up to rounding."""
        count = self.count + other.count
        if not self.count or not other.count:
            return self if self.count else other
        apart, share = other.mean - self.mean, other.count / count
        return Moments(
            count, self.mean + apart * share, self.squares + other.squares + apart * apart * self.count * share
        )


@dataclass(frozen=True, slots=True)
class Sketch:
    """A bounded summary of numbers.

    Attributes:
      moments: of those that are finite.
      low, high: least and largest of those; infinite the wrong way round where there are none.
      num_zero: numbers nearer to zero than 1e-9.
      num_not_finite: NaN and infinities; they are in nothing else.
      above, below: bucket -> count, of positive and of negative numbers.
    """

    moments: Moments = Moments()
    low: float = float("inf")
    high: float = float("-inf")
    num_zero: int = 0
    num_not_finite: int = 0
    above: Mapping[int, int] = field(default_factory=dict)
    below: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, numbers: NDArray[Any] | Iterable[float]) -> Sketch:
        """The sketch of some numbers, of any shape."""
        values = np.asarray(numbers if isinstance(numbers, np.ndarray) else list(numbers), np.float64).ravel()
        finite = values[np.isfinite(values)]
        if not len(finite):
            return cls(num_not_finite=len(values))
        size = np.minimum(np.abs(finite), _LARGEST)
        is_zero = size < _SMALLEST
        mean = float(np.clip(finite, -_LARGEST, _LARGEST).mean())
        squares = float(((np.clip(finite, -_LARGEST, _LARGEST) - mean) ** 2).sum())
        return cls(
            Moments(len(finite), mean, squares),
            float(finite.min()),
            float(finite.max()),
            int(is_zero.sum()),
            len(values) - len(finite),
            _counts(size, (finite > 0) & ~is_zero),
            _counts(size, (finite < 0) & ~is_zero),
        )

    def merge(self, other: Sketch) -> Sketch:
        """The sketch of both together; any order of merging gives the same buckets."""
        return Sketch(
            self.moments.merge(other.moments),
            min(self.low, other.low),
            max(self.high, other.high),
            self.num_zero + other.num_zero,
            self.num_not_finite + other.num_not_finite,
            _added(self.above, other.above),
            _added(self.below, other.below),
        )

    def quantile(self, share: float) -> float:
        """The number below which a share (0 .. 1) of the finite ones lie, to within 1 %; NaN where there are none."""
        if not self.moments.count:
            return float("nan")
        values, counts = self._histogram()
        at = int(np.searchsorted(np.cumsum(counts), share * (self.moments.count - 1), side="right"))
        return float(np.clip(values[min(at, len(values) - 1)], self.low, self.high))

    def to_json(self) -> dict[str, Any]:
        """Plain values; `from_json` gives the same sketch back."""
        return {
            "count": self.moments.count,
            "mean": self.moments.mean,
            "squares": self.moments.squares,
            "low": self.low if self.moments.count else None,
            "high": self.high if self.moments.count else None,
            "num_zero": self.num_zero,
            "num_not_finite": self.num_not_finite,
            "above": {str(bucket): count for bucket, count in sorted(self.above.items())},
            "below": {str(bucket): count for bucket, count in sorted(self.below.items())},
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Sketch:
        """A sketch that was stored. Raises KeyError, TypeError or ValueError: it is not what `to_json` gives."""
        count = int(values["count"])
        return cls(
            Moments(count, float(values["mean"]), float(values["squares"])),
            float(values["low"]) if count else float("inf"),
            float(values["high"]) if count else float("-inf"),
            int(values["num_zero"]),
            int(values["num_not_finite"]),
            {int(bucket): int(number) for bucket, number in values["above"].items()},
            {int(bucket): int(number) for bucket, number in values["below"].items()},
        )

    def _histogram(self) -> tuple[Floats, Floats]:
        """Middle and count of each bucket that holds something, ascending."""
        rows = [(-_middle(bucket), count) for bucket, count in sorted(self.below.items(), reverse=True)]
        rows += [(0.0, self.num_zero)] if self.num_zero else []
        rows += [(_middle(bucket), count) for bucket, count in sorted(self.above.items())]
        table = np.array(rows, np.float64).reshape(-1, 2)
        return table[:, 0], table[:, 1]


@dataclass(frozen=True, slots=True)
class Shift:
    """How far two sketches are apart.

    Attributes:
      largest_gap: between their cumulative shares, 0 (alike) .. 1 (nothing in common); Kolmogorov and Smirnov's.
      stability: population stability index over tenths of the first; above 0.25 is usually called a shift.
    """

    largest_gap: float
    stability: float


def compare(before: Sketch, after: Sketch) -> Shift:
    """How far the numbers of `after` are from those of `before`; NaN where one of them has none."""
    if not before.moments.count or not after.moments.count:
        return Shift(float("nan"), float("nan"))
    (values_a, counts_a), (values_b, counts_b) = before._histogram(), after._histogram()
    edges = np.union1d(values_a, values_b)
    gap = np.abs(_cumulative(values_a, counts_a, edges) - _cumulative(values_b, counts_b, edges)).max()
    tenths = np.unique([before.quantile(share) for share in np.linspace(0.1, 0.9, 9)])
    shares = [
        np.maximum(np.diff(np.concatenate([[0], _cumulative(values, counts, tenths), [1]])), _LEAST_SHARE)
        for values, counts in ((values_a, counts_a), (values_b, counts_b))
    ]
    stability = float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
    return Shift(float(gap), stability)


def _cumulative(values: Floats, counts: Floats, at: Floats) -> Floats:
    """Share of the counts whose value is at most each of `at`; a hair's width of rounding is let pass."""
    below = np.searchsorted(values, at + np.abs(at) * RELATIVE_ERROR * 0.1, side="right")
    shares: Floats = np.concatenate([[0.0], np.cumsum(counts)])[below] / counts.sum()
    return shares


def _counts(size: Floats, chosen: Mask) -> dict[int, int]:
    buckets, counts = np.unique(np.ceil(np.log(size[chosen]) / _LOG_RATIO).astype(np.int64), return_counts=True)
    return dict(zip(buckets.tolist(), counts.tolist(), strict=True))


def _middle(bucket: int) -> float:
    """The value that is within the relative error of everything in a bucket."""
    return float(np.exp(bucket * _LOG_RATIO) * (1 - RELATIVE_ERROR))


def _added(a: Mapping[int, int], b: Mapping[int, int]) -> dict[int, int]:
    return {bucket: a.get(bucket, 0) + b.get(bucket, 0) for bucket in sorted({*a, *b})}
