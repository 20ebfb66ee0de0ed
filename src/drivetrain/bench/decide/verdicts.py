"""Paired samples -> better, worse, or cannot tell, with a stated chance of being wrong; pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from drivetrain.bench.decide.ranks import chance_of, fewest_for, shift_of
from drivetrain.bench.results import Metric, Result
from drivetrain.bench.stats import Interval

Answer = Literal["better", "worse", "cannot tell"]
Gate = Literal["PASS", "FAIL", "INSUFFICIENT"]

FALSE_VERDICTS = 0.05
"""Chance that any of all comparisons of equal code is called better or worse."""

SIZE = 0.02
"""The share from which on a change matters, unless another is asked for."""

_MOST_MORE = 1000  # runs; more are not proposed
_POWER = 0.8
_NORMAL = NormalDist()
_NORMAL_MAD = 0.6745


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What one metric of one case did from A to B. Shares are of A; above 0 is more.

    Attributes:
      case: its name with its parameters.
      metric: its name.
      unit: of the medians.
      num_pairs: how many it rests on.
      before: median of A.
      after: median of B.
      change: the middle of the paired changes, as a share, with the interval that the number of comparisons leaves.
      chance: of changes so one-sided where A and B are the same.
      harm: the share by which B is surely not worse, at 95 %; below 0 where it is surely better.
      answer: the verdict.
      is_judged: whether verdicts of the case rest on it.
      is_harmless: whether it is surely not worse by as much as matters.
      num_more: runs of each side after which it would probably be decided; None where it is, or where too many would.
    """

    case: str
    metric: str
    unit: str
    num_pairs: int
    before: float
    after: float
    change: Interval
    chance: float
    harm: float
    answer: Answer
    is_judged: bool
    is_harmless: bool
    num_more: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseVerdict:
    """A case, all of its judged metrics together.

    Attributes:
      case: its name.
      answer: worse where any metric is; better where any is, none is worse, and none of the others may be.
      why: the metrics that decide it.
      comparisons: of all metrics.
    """

    case: str
    answer: Answer
    why: tuple[str, ...]
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True, slots=True)
class _Paired:
    """The changes of one metric, pair by pair, in a scale where 0 is none."""

    case: str
    name: str
    before: Metric
    after: Metric
    changes: tuple[float, ...]
    are_ratios: bool
    chance: float

    @property
    def sign(self) -> int:
        """Times a change: above 0 is worse."""
        return 1 if self.before.better == "lower" else -1

    def share(self, change: float) -> float:
        """A change as a share of A."""
        if not self.are_ratios:
            return change
        return math.expm1(change) if change < 700 else math.inf


def compare(pairs: Sequence[tuple[Result, Result]], size: float = SIZE) -> tuple[CaseVerdict, ...]:
    """What changed from A to B in each case.

    A metric is better or worse where both hold: its paired changes are more one-sided than chance makes them, at 5 %
    for any of all comparisons together (Wilcoxon's signed ranks, exact; Holm), and their middle is as large as matters.
    So equal code is called better or worse anywhere with a chance of at most 5 %. It is harmless where it is surely, at
    95 %, not worse by as much as matters; that needs no correction, as a gate asks it of all metrics at once.

    Args:
      pairs: results of A and of B of the same case and session; sample k of one was made beside sample k of the other.
      size: the share that matters.
    """
    paired = [one for before, after in pairs for one in _paired(before, after)]
    levels = _holm([one.chance if one.before.is_judged else None for one in paired])
    found = [_comparison(one, level, size) for one, level in zip(paired, levels, strict=True)]
    cases = dict.fromkeys(one.case for one in found)
    return tuple(_together(case, tuple(one for one in found if one.case == case)) for case in cases)


def gate(verdicts: Sequence[CaseVerdict], num_missing: int = 0) -> Gate:
    """Whether a change may pass: FAIL where any case is worse, PASS where everything judged is surely harmless.

    Args:
      verdicts: of all cases that could be compared.
      num_missing: cases of A that B has no results of; what is not measured does not pass.
    """
    if any(verdict.answer == "worse" for verdict in verdicts):
        return "FAIL"
    judged = [one for verdict in verdicts for one in verdict.comparisons if one.is_judged]
    return "PASS" if judged and not num_missing and all(one.is_harmless for one in judged) else "INSUFFICIENT"


def _paired(before: Result, after: Result) -> list[_Paired]:
    found = []
    for name, metric in before.metrics.items():
        other = after.metrics.get(name)
        if other is None:
            continue
        samples = list(zip(metric.samples, other.samples, strict=False))
        are_ratios = all(one > 0 and two > 0 for one, two in samples)
        scale = statistics.median(abs(one) for one, _ in samples) or 1.0
        changes = tuple(math.log(two) - math.log(one) if are_ratios else (two - one) / scale for one, two in samples)
        found.append(_Paired(before.name, name, metric, other, changes, are_ratios, chance_of(changes)))
    return found


def _holm(chances: Sequence[float | None]) -> list[float]:
    """The level that is left for each comparison: 5 % over how many are not yet decided when its turn comes.

    Comparisons that are not judged take no part and have the plain level. Once one is not significant, all later ones
    have its level, at which none of them is either.

    Source: Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    judged = sorted((chance, at) for at, chance in enumerate(chances) if chance is not None)
    levels = [FALSE_VERDICTS] * len(chances)
    level = FALSE_VERDICTS
    is_open = True
    for rank, (chance, at) in enumerate(judged):
        if is_open:
            level = FALSE_VERDICTS / (len(judged) - rank)
            is_open = chance <= level
        levels[at] = level
    return levels


def _comparison(one: _Paired, level: float, size: float) -> Comparison:
    change = shift_of(one.changes, 1 - level)
    ends = shift_of(one.changes, 1 - 2 * FALSE_VERDICTS)
    harm = one.sign * one.share(ends.high if one.sign > 0 else ends.low)
    middle = one.share(change.mid)
    is_clear = one.chance <= level and middle != 0 and abs(middle) >= size
    is_harmless = harm < size
    answer: Answer = "cannot tell" if not is_clear else "worse" if one.sign * middle > 0 else "better"
    return Comparison(
        case=one.case,
        metric=one.name,
        unit=one.before.unit,
        num_pairs=len(one.changes),
        before=statistics.median(one.before.samples),
        after=statistics.median(one.after.samples),
        change=Interval(middle, one.share(change.low), one.share(change.high)),
        chance=one.chance,
        harm=harm,
        answer=answer,
        is_judged=one.before.is_judged,
        is_harmless=is_harmless,
        num_more=None if is_clear or is_harmless else _num_more(one, middle, level, size),
    )


def _num_more(one: _Paired, middle: float, level: float, size: float) -> int | None:
    """Runs until a change of this size stands out of a spread like this, or until it surely does not matter.

    Four times in five, by the normal approximation; at least as many as the exact test needs at all. A change that is
    about to matter may be decided either way, and is taken as half as far from that as it could be.
    """
    centre = statistics.median(one.changes)
    spread = statistics.median(abs(change - centre) for change in one.changes) / _NORMAL_MAD
    spread = spread or statistics.pstdev(one.changes)
    if abs(middle) >= size:
        apart, tail = abs(middle), level / 2
    else:
        apart, tail = max(size - one.sign * middle, size / 2), FALSE_VERDICTS
    sure = _NORMAL.inv_cdf(1 - tail) + _NORMAL.inv_cdf(_POWER)
    needed = max(fewest_for(2 * tail), math.ceil((sure * spread / apart) ** 2 * math.pi / 3)) if apart else math.inf
    more = max(1, needed - len(one.changes))
    return int(more) if more <= _MOST_MORE else None


def _together(case: str, comparisons: tuple[Comparison, ...]) -> CaseVerdict:
    judged = [one for one in comparisons if one.is_judged]
    worse = tuple(one.metric for one in judged if one.answer == "worse")
    better = tuple(one.metric for one in judged if one.answer == "better")
    open_ones = tuple(one.metric for one in judged if one.answer != "better" and not one.is_harmless)
    if worse:
        return CaseVerdict(case=case, answer="worse", why=worse, comparisons=comparisons)
    if better and not open_ones:
        return CaseVerdict(case=case, answer="better", why=better, comparisons=comparisons)
    return CaseVerdict(case=case, answer="cannot tell", why=open_ones, comparisons=comparisons)
