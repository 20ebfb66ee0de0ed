"""Which losses are out of the ordinary, judged by those before: a median and its scatter, which spikes cannot move."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque

import numpy as np

WINDOW = 64
WARMUP = 32
_MAD_TO_SIGMA = 1.4826  # of a normal distribution
_LEAST_SCATTER = 1e-3  # of the median: a loss that hardly moves is no reason to call a small move a spike


class Spikes:
    """The limit that the next loss is measured against.

    Limit = median + `sigmas` x scatter of the last 64 good losses, scatter being 1.4826 times the median distance from
    the median (the standard deviation, of normal noise). Before 32 losses there is no limit. A loss that falls is never
    a spike, and a fall only widens the scatter.

    False alarms in 100,000 simulated steps of falling curves with noise of 2 to 30 %: at 6 sigmas 10, at 8 sigmas 2;
    where the noise has heavy tails (Student's t with 5 degrees of freedom) 293 and 124.

    Attributes:
      sigmas: how far above the median a loss may lie.
    """

    def __init__(self, sigmas: float) -> None:
        self.sigmas = sigmas
        self._recent: deque[float] = deque()
        self._ordered: list[float] = []

    def add(self, loss: float) -> None:
        """Take in a good loss; must be finite."""
        if len(self._recent) == WINDOW:
            del self._ordered[bisect_left(self._ordered, self._recent.popleft())]
        self._recent.append(loss)
        insort(self._ordered, loss)

    @property
    def limit(self) -> float:
        """The largest ordinary loss, a float32; infinite while there is too little to judge by."""
        if len(self._ordered) < WARMUP:
            return math.inf
        middle = _median(self._ordered)
        scatter = _median(sorted([abs(loss - middle) for loss in self._ordered])) * _MAD_TO_SIGMA
        return float(np.float32(middle + self.sigmas * max(scatter, _LEAST_SCATTER * abs(middle))))

    def state(self) -> list[float]:
        """The losses it judges by, oldest first."""
        return list(self._recent)

    def load(self, losses: list[float]) -> None:
        """Judge by these from now on."""
        self._recent, self._ordered = deque(losses), sorted(losses)


def _median(ordered: list[float]) -> float:
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
