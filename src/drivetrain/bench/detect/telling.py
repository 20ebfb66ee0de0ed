"""A series told by the kind of noise that suits it: as it stands or by its logarithms, less its season."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drivetrain.bench.detect.evidence import MOST_GIVEN, Evidence, Proven
from drivetrain.bench.detect.levels import FALSE_ALARMS, MIN_LENGTH, Levels, levels_of, meeting
from drivetrain.bench.detect.noise import CUT, Values, correlation, inflation, noise_of, spread
from drivetrain.bench.detect.season import CLEAR_LEAD, season_of
from drivetrain.bench.detect.story import Turn
from drivetrain.bench.detect.wander import Kind

_LONGEST_TOLD, _LONGEST_JUDGED = 1500, 4096  # of longer series, medians of neighbours
_OUTLIER = 5.0
_AROUND = 3


@dataclass(frozen=True, slots=True)
class Telling:
    """A series less its season, and where it changes.

    Attributes:
      values: shape (n,).
      noise: their standard deviation, of which three make an outlier.
      cuts: first values that are changed, in order.
      kinds: what changes at each.
      false_alarms: chance of each that noise made it.
      inflation: how many values say as much of a level as one that is independent.
    """

    values: Values
    noise: float
    cuts: tuple[int, ...] = ()
    kinds: tuple[Kind, ...] = ()
    false_alarms: tuple[float, ...] = ()
    inflation: float = 1.0

    def around(self, number: int) -> tuple[int, int, int]:
        """Where the part before a change begins, where the change is, and where the part after it ends."""
        bounds = (0, *self.cuts, len(self.values))
        return bounds[number], bounds[number + 1], bounds[number + 2]


@dataclass(frozen=True, slots=True)
class _Scale:
    """A series as it stands, or its logarithms: less its season, with what can be told of it."""

    plain: Values
    together: int
    evidence: Evidence
    turns: tuple[Turn, ...]
    cost: float


def is_independent(values: Values, levels: Levels) -> bool:
    """Whether levels among independent noise tell values well, of which there are 16 at least.

    What is an outlier to them says nothing. More levels, or shorter ones, than other tellings can have are left alone.
    """
    told = math.ceil(len(values) / _LONGEST_TOLD)
    if len(levels.cuts) > min(MOST_GIVEN, len(_places(levels.cuts, told, len(values) // told))):
        return True
    fitted = levels.fitted()
    rest = values - fitted
    short, together = _shortened(np.where(np.abs(rest) <= CUT * spread(rest), values, fitted), _LONGEST_JUDGED)
    return Evidence(_standard(short), MIN_LENGTH).is_independent(_places(levels.cuts, together, len(short)))


def told_otherwise(values: Values, cuts: Sequence[int]) -> Telling:
    """The cheapest telling, of values as they are and of their logarithms, with the turns that no noise makes.

    Args:
      values: 16 at least.
      cuts: where levels among independent noise would change.
    """
    best = given = _scale(values, cuts)
    if float(np.min(values)) > 0:
        logarithms = np.log(values)
        other = _scale(logarithms, cuts, moved=2 * float(np.sum(logarithms)))
        best = other if other.cost < given.cost - CLEAR_LEAD else given
    proven = best.evidence.proven(best.turns, FALSE_ALARMS)
    return _telling(given.plain if best is given else np.exp(best.plain), best.together, proven)


def _scale(values: Values, cuts: Sequence[int], moved: float = 0.0) -> _Scale:
    """What is told of values on one scale.

    Args:
      values: on that scale.
      cuts: where levels among independent noise would change.
      moved: twice the logarithm of how much densities change from the given scale to this.
    """
    season = season_of(values)
    short, together = _shortened(values - season.pattern, _LONGEST_TOLD)
    evidence = Evidence(_even(short), MIN_LENGTH)
    cost, turns = evidence.cheapest(_places(cuts, together, len(short)))
    cost += 2 * len(short) * math.log(float(np.std(short)) or 1.0) + moved / together
    of_season = max(season.period - 1, 0) * math.log(len(values))
    return _Scale(values - season.pattern, together, evidence, turns, cost + of_season)


def _shortened(values: Values, longest: int) -> tuple[Values, int]:
    """Medians of so many neighbours that there are few enough, and how many that is."""
    together = math.ceil(len(values) / longest)
    num = len(values) // together
    return np.median(values[: num * together].reshape(num, together), axis=1), together


def _places(cuts: Sequence[int], together: int, num: int) -> list[int]:
    """The places of cuts among so many medians of neighbours: those that are as far from others as cuts have to be."""
    places: list[int] = []
    for cut in cuts:
        place = cut // together
        if place >= (places[-1] if places else 0) + MIN_LENGTH and place + MIN_LENGTH <= num:
            places.append(place)
    return places


def _even(values: Values) -> Values:
    """Standard values; those that stand out of their neighbours on either side are as the median of these."""
    medians = np.median(np.lib.stride_tricks.sliding_window_view(values, 2 * _AROUND + 1), axis=1)
    around = np.pad(medians, _AROUND, mode="edge")
    rest = values - around
    scale = spread(rest)
    return _standard(np.where(np.abs(rest) > _OUTLIER * scale, around, values) if scale else values)


def _standard(values: Values) -> Values:
    centred: Values = values - np.median(values)
    return centred / (float(np.std(centred)) or 1.0)


def _telling(values: Values, together: int, proven: Sequence[Proven]) -> Telling:
    """What is proven, in the places of all values; a level and a slope that change at once are a level's change."""
    noise = noise_of(values)
    found: dict[int, tuple[Kind, float]] = {}
    for one in proven:
        kind, alarm = found.get(one.turn.at, (one.turn.shape.kind, 1.0))
        both: Kind = "level" if "level" in (kind, one.turn.shape.kind) else "trend"
        found[one.turn.at] = both, min(alarm, one.false_alarm)
    cuts = tuple(_placed(values, at * together, together, noise) for at in found)
    fitted = levels_of(values, cuts, noise)
    wide = spread(values - fitted) or noise
    return Telling(
        values,
        wide,
        cuts,
        tuple(kind for kind, _ in found.values()),
        tuple(alarm for _, alarm in found.values()),
        inflation(correlation(values, fitted, wide)),
    )


def _placed(values: Values, at: int, together: int, noise: float) -> int:
    """Where a change is that was found among medians of so many values: where the levels around it meet."""
    if together == 1:
        return at
    reach = max(2 * together, MIN_LENGTH + 1)
    return at - reach + meeting(values[at - reach : at + reach], reach, noise)
