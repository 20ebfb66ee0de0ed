"""Turns that no kind of noise makes: each must be needed whatever way the noise may hang together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drivetrain.bench.detect.curve import POSITIVE_EVIDENCE
from drivetrain.bench.detect.noise import Values
from drivetrain.bench.detect.story import PARAMETERS_PER_CHANGE, Story, Turn
from drivetrain.bench.detect.tails import tails_of, two_sided
from drivetrain.bench.detect.wander import BANK, NUM_BEFORE, SHAPES, STEP

FEWEST_VALUES = 16
"""Of which kinds of noise can be told apart at all."""

MOST_GIVEN = 40
"""Cuts to begin with."""

_MOST_AT_FIRST = 3
_MOST = 12
_NUM_FINALISTS = 6
_FEWEST_FOR_TAIL = 10
_MOST_OTHER_PARAMETERS = 4  # level, slope, and two of the noise


@dataclass(frozen=True, slots=True)
class Proven:
    """A turn with the chance that noise alone would make one as clear anywhere."""

    turn: Turn
    false_alarm: float


class Evidence:
    """All stories of one series.

    Args:
      values: finite, about 0 and of a deviation about 1, without outliers; shape (n,), n at least 16.
      min_length: values between two turns.
    """

    def __init__(self, values: Values, min_length: int) -> None:
        self._num_values, self._min_length = len(values), min_length
        self._stories = [Story(noise, values, min_length) for noise in BANK]

    def is_independent(self, cuts: Sequence[int]) -> bool:
        """Whether no other noise, with levels that change here or without, clearly tells the series better.

        One cut costs its size and its place alone: that it is needed among independent noise was shown before.
        """
        turns = [Turn(cut, STEP) for cut in cuts]
        saved = (PARAMETERS_PER_CHANGE - 2) * min(len(turns), 1) * math.log(self._num_values)
        plain, *others = self._stories
        best = min(min(other.cost(turns) - saved, other.cost(())) for other in others)
        return plain.cost(turns) - saved - best <= POSITIVE_EVIDENCE

    def cheapest(self, cuts: Sequence[int]) -> tuple[float, tuple[Turn, ...]]:
        """The cost of the cheapest story, and its turns.

        Args:
          cuts: where levels may change: what to begin with besides nothing.
        """
        first = sorted(((story, story.told(_MOST_AT_FIRST)) for story in self._stories), key=_cost)
        told = [
            (story, story.told(_MOST, turns) if len(turns) == _MOST_AT_FIRST else turns)
            for story, turns in first[:_NUM_FINALISTS]
        ]
        if 0 < len(cuts) <= MOST_GIVEN:
            given = tuple(Turn(cut, STEP) for cut in cuts)
            story = min(self._stories, key=lambda one: one.cost(given))
            told.append((story, story.told(len(given) + _MOST_AT_FIRST, given)))
        story, turns = min(told, key=_cost)
        return story.cost(turns), turns

    def proven(self, turns: Sequence[Turn], false_alarms: float) -> tuple[Proven, ...]:
        """Those that chance makes at most so often, in order; the most doubtful goes until all that are left hold."""
        left = tuple(sorted(turns))
        while left:
            alarms, joint = self._alarms(left)
            worst = int(np.argmax(alarms))
            if max(alarms[worst], joint) <= false_alarms:
                return tuple(Proven(turn, max(alarm, joint)) for turn, alarm in zip(left, alarms, strict=True))
            left = left[:worst] + left[worst + 1 :]
        return ()

    def _best(self, turns: Sequence[Turn]) -> float:
        return min(story.cost(turns) for story in self._stories)

    def _alarms(self, turns: tuple[Turn, ...]) -> tuple[list[float], float]:
        """Chances that noise made each, by the ratio of likelihoods and by its tails; and that it made as much of each.

        Without a turn the noise may be of another kind than with it; and of yet another without any.
        """
        story = min(self._stories, key=lambda one: one.cost(turns))
        full = story.cost(turns)
        tails = tails_of(self._far(story.rest(turns), turns))
        alarms = []
        for turn in turns:
            others = tuple(other for other in turns if other != turn)
            chance = self._chance(self._best(others) - full, len(turns))
            by_tails = tails.chance(story.form(turn, others), story.rest(others))
            alarms.append(min(1.0, chance + self._num_values * by_tails))
        return alarms, self._chance((self._best(()) - full) / len(turns), len(turns))

    def _chance(self, lead: float, num_turns: int) -> float:
        """Of an independent normal series, that some turn makes a story so much cheaper, of so many turns with it."""
        gain = max(lead + PARAMETERS_PER_CHANGE * math.log(self._num_values), 0.0)
        num = self._num_values - NUM_BEFORE
        free = max(num - _MOST_OTHER_PARAMETERS - PARAMETERS_PER_CHANGE * num_turns, 1.0)
        of_one = two_sided(math.sqrt(free * math.expm1(min(gain / num, 500.0))), free)
        return min(1.0, self._num_values * len(SHAPES) * of_one)

    def _far(self, rest: Values, turns: Sequence[Turn]) -> Values:
        """Innovations that are not near a turn: those near may be a part of it."""
        is_far = np.ones(len(rest), dtype=np.bool_)
        for turn in turns:
            at = turn.at - NUM_BEFORE
            is_far[max(0, at - self._min_length) : at + self._min_length] = False
        return rest[is_far] if np.count_nonzero(is_far) >= _FEWEST_FOR_TAIL else rest


def _cost(told: tuple[Story, tuple[Turn, ...]]) -> float:
    return told[0].cost(told[1])
