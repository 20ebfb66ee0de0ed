"""Levels among independent noise: proposed by the cheapest fit of steps, less what chance or a curve may have made."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from drivetrain.bench.detect.chance import chance_of, explained
from drivetrain.bench.detect.curve import curve_lead
from drivetrain.bench.detect.noise import CUT, Values, correlation, inflation, level
from drivetrain.bench.detect.segment import segment

FALSE_ALARMS = 0.02
"""Chance that a series without steps, of independent noise, is given any."""

MIN_LENGTH = 5
"""Values that a level lasts at least, at either end too: fewer cannot be told from a run of outliers."""

NEAR = 3
"""Values by which a place may be off and still tell which change it was."""

_NEARNESS = 1 + 0.02 * np.bartlett(2 * NEAR + 3)[1:-1]
_LONGEST_PART = 8192
_REACH = 2000  # values on either side that a point is judged by
_LONGEST_RUN = 3  # points that are held against one curve together


def _proposed(values: Values, noise: float) -> list[int]:
    """The least-cost fit, each point then moved to where its neighbours' levels meet best.

    Long series are fitted in parts, whose borders are proposed too: each part brings levels of its own.

    Source: of the penalty: Zhang and Siegmund, "A modified Bayes information criterion", Biometrics 2007; 3 log n a
      change, in units of twice the logarithm of the likelihood.
    """
    penalty = 3 * math.log(len(values))
    parts = np.array_split(np.arange(len(values)), math.ceil(len(values) / _LONGEST_PART))
    bounds: list[int] = []
    for part in parts:
        bounds += [int(part[0]) + cut for cut in (0, *segment(values[part], noise, penalty, MIN_LENGTH))]
    bounds.append(len(values))
    for number in range(1, len(bounds) - 1):
        begin, cut, end = bounds[number - 1 : number + 2]
        bounds[number] = begin + meeting(values[begin:end], cut - begin, noise)
    return bounds[1:-1]


def meeting(values: Values, cut: int, noise: float) -> int:
    """The likeliest place to part these values, between the levels on both sides of a first guess."""
    return MIN_LENGTH + int(np.argmin(_costs(values, cut, noise)))


def _middle(values: Values, cut: int, noise: float, inflation: float) -> int:
    """The place that most likely is right to within 3 values, each weighed by its likelihood.

    The likeliest place of all is further off by more than that twice as often, for steps of 2 standard deviations.
    """
    costs = _costs(values, cut, noise)
    likelihood = np.exp((np.min(costs) - costs) / 2 / inflation)
    near = np.convolve(likelihood, _NEARNESS)[NEAR : NEAR + len(likelihood)]
    return MIN_LENGTH + int(np.argmax(near))


def _costs(values: Values, cut: int, noise: float) -> Values:
    """Of parting at each place but the first and last few, with the levels that a cut has; up to a constant."""
    from_first, from_second = (
        np.minimum(np.square((values - level(part, noise)) / noise), CUT * CUT) for part in (values[:cut], values[cut:])
    )
    total = np.concatenate([[0.0], np.cumsum(from_first - from_second)])
    return total[MIN_LENGTH : len(values) - MIN_LENGTH + 1]


def levels_of(values: Values, cuts: Sequence[int], noise: float) -> Values:
    """The level at each value, where a new one begins with each cut; shape (n,)."""
    bounds = [0, *cuts, len(values)]
    return np.concatenate([np.full(end - begin, level(values[begin:end], noise)) for begin, end in pairwise(bounds)])


class Levels:
    """Levels of which each is surely another than that before.

    A least-cost fit of steps proposes points. Each is then tested against chance and against a smooth curve over the
    levels on its either side; the least certain one that fails goes, its neighbours are tested anew, until all hold.

    Args:
      values: finite; 10 of them at least.
      noise: their standard deviation about their levels, above 0.

    Attributes:
      cuts: where each level but the first begins.
      doubts: for each, the chance that independent noise would be given one as clear as this anywhere.
      inflation: how many values say as much as one that is independent.
    """

    def __init__(self, values: Values, noise: float) -> None:
        self.cuts = _proposed(values, noise)
        self.doubts: list[float] = []
        self.inflation = 1.0
        self._values, self._noise = values, noise
        self._seen: dict[tuple[object, ...], float] = {}
        self._settled = {self._around(number) for number in range(len(self.cuts))}
        self._prune()

    def _prune(self) -> None:
        """Take away the most doubtful points and look anew, until each is surely a step."""
        while True:
            self.inflation = inflation(correlation(self._values, self.fitted(), self._noise))
            self.doubts = [self._doubt(number) for number in range(len(self.cuts))]
            going = {number for number in range(len(self.cuts)) if self._goes(number)}
            if not going:
                break
            self._settle([cut for number, cut in enumerate(self.cuts) if number not in going])
        for number in range(len(self.cuts)):
            begin, cut, end = self._around(number)
            self.cuts[number] = begin + _middle(self._values[begin:end], cut - begin, self._noise, self.inflation)

    def _around(self, number: int) -> tuple[int, int, int]:
        bounds = [0, *self.cuts, len(self._values)]
        return bounds[number], bounds[number + 1], bounds[number + 2]

    def fitted(self) -> Values:
        """The level at each value; shape (n,)."""
        return levels_of(self._values, self.cuts, self._noise)

    def _doubt(self, number: int) -> float:
        """The chance of a false alarm; above 1 for what is rather a part of a curve, by how much better that is."""
        begin, cut, end = self._around(number)
        begin, end = max(begin, cut - _REACH), min(end, cut + _REACH)
        share = self._once(("share", begin, cut, end), lambda: explained(self._values[begin:end], cut - begin))
        alarm = min(1.0, chance_of(share, end - begin, cut - begin, self.inflation) * len(self._values))
        if alarm > FALSE_ALARMS:
            return alarm
        leads = (self._lead(first, last) for first, last in self._groups(number))
        return next((1 + lead for lead in leads if lead > 0), alarm)

    def _groups(self, number: int) -> list[tuple[int, int]]:
        """Numbers of the first and last point of each short run of points that one belongs to, shortest first."""
        last_of_all = len(self.cuts) - 1
        return [
            (first, first + length)
            for length in range(_LONGEST_RUN)
            for first in range(max(0, number - length), min(number, last_of_all - length) + 1)
        ]

    def _lead(self, first: int, last: int) -> float:
        cuts = self.cuts[first : last + 1]
        bounds = [0, *self.cuts, len(self._values)]
        begin, end = max(bounds[first], cuts[0] - _REACH), min(bounds[last + 2], cuts[-1] + _REACH)
        return self._once(
            ("lead", begin, *cuts, end),
            lambda: curve_lead(self._values[begin:end], [cut - begin for cut in cuts], self._noise),
        )

    def _once(self, key: tuple[object, ...], act: Callable[[], float]) -> float:
        if key not in self._seen:
            self._seen[key] = act()
        return self._seen[key]

    def _goes(self, number: int) -> bool:
        """Whether one fails, and neither neighbour is more doubtful."""
        doubt = self.doubts[number]
        return doubt > FALSE_ALARMS and doubt >= max(self.doubts[max(0, number - 1) : number + 2])

    def _settle(self, cuts: list[int]) -> None:
        """Keep only these; those that have new neighbours move to where their levels meet."""
        self.cuts = cuts
        for number in range(len(cuts)):
            begin, cut, end = self._around(number)
            if (begin, cut, end) not in self._settled:
                self.cuts[number] = begin + meeting(self._values[begin:end], cut - begin, self._noise)
                self._settled.add(self._around(number))
