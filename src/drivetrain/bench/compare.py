"""Pairs of trials, one as the recipe is and one changed -> what the change does, and whether to adopt it; pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from drivetrain.bench.measure import Measured
from drivetrain.bench.stats import Interval, ratio_interval, relative_change, t_interval

Verdict = Literal["adopt", "no gain", "slower", "hurts the loss", "saves memory", "cannot tell", "failed"]
Pair = tuple[Measured, Measured]
"""As the recipe is, and changed; made one near the other in time, from the same seed."""

LOSS_TOLERANCE = 0.02  # of the loss: a change that may make it worse by more is not adopted
LEAST_GAIN = 0.02  # of the step time: a gain that is surely below is none
LEAST_SAVING = 0.05  # of the memory, likewise
_WINDOW_SHARE = 0.2  # of the steps: the loss at a moment is the mean over so many before it


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a change does. Ratios are changed over unchanged; changes of the loss are shares of the unchanged loss.

    Attributes:
      num_pairs: how many pairs it rests on.
      step_ratio: of step times.
      memory_ratio: of peak memory; median over pairs.
      loss_at_steps: change of the loss after equally many steps: of the closing loss, on the same samples.
      loss_at_time: change of the smoothed loss after equal time of training, start-up apart.
      startup_s: how much longer it takes until steps settle, in the first pair: later ones find what was compiled.
    """

    num_pairs: int
    step_ratio: Interval
    memory_ratio: float
    loss_at_steps: Interval
    loss_at_time: Interval
    startup_s: float


def compare(pairs: Sequence[Pair], level: float) -> Comparison:
    """What the change does, each interval at this level of confidence.

    Step times are compared as logarithms of paired ratios, so that what both trials of a pair share falls out. All
    intervals are Student's over pairs; each pair of the same comparison should have a seed of its own, so that those of
    the loss hold for other seeds too.

    Args:
      pairs: at least one.
    """
    closing = [relative_change(plain.closing_loss, changed.closing_loss) for plain, changed in pairs]
    return Comparison(
        num_pairs=len(pairs),
        step_ratio=ratio_interval([math.log(changed.step_s / plain.step_s) for plain, changed in pairs], level),
        memory_ratio=statistics.median(changed.peak_bytes / max(1, plain.peak_bytes) for plain, changed in pairs),
        loss_at_steps=t_interval(closing, level),
        loss_at_time=t_interval([relative_change(*at_equal_time(plain, changed)) for plain, changed in pairs], level),
        startup_s=pairs[0][1].startup_s - pairs[0][0].startup_s,
    )


def judge(found: Comparison, aim: Literal["time", "memory"] = "time") -> Verdict:
    """Whether to adopt a change: never for its speed alone.

    The loss comes first. A change is adopted when it is faster, or saves memory where that is its aim, and the loss
    after equally many steps is surely no more than 2 % worse; it hurts when the loss is surely more than 2 % worse.
    `surely` is at the level of the intervals: where that is 1 - a, a change without any effect is called faster or
    slower with a chance of a.
    """
    loss, steps = found.loss_at_steps, found.step_ratio
    if not math.isfinite(loss.mid) or loss.low > LOSS_TOLERANCE:
        return "hurts the loss"
    keeps_loss = loss.high <= LOSS_TOLERANCE
    if aim == "memory" and found.memory_ratio < 1 - LEAST_SAVING:
        return "saves memory" if keeps_loss else "cannot tell"
    if steps.low > 1:
        return "slower"
    if steps.high < 1 and keeps_loss:
        return "adopt"
    if steps.low > 1 - LEAST_GAIN:
        return "no gain"
    return "cannot tell"


def at_equal_time(plain: Measured, changed: Measured) -> tuple[float, float]:
    """The smoothed losses of both at the last moment that both have seen, counted in settled step times."""
    until_s = min(len(run.losses) * run.step_s for run in (plain, changed))
    return _loss_at(plain, until_s), _loss_at(changed, until_s)


def _loss_at(run: Measured, at_s: float) -> float:
    last = min(len(run.losses), max(1, round(at_s / run.step_s)))
    window = max(1, round(_WINDOW_SHARE * len(run.losses)))
    return statistics.fmean(run.losses[max(0, last - window) : last])
