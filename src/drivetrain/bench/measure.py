"""A trial's journals -> what it measured; pure."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from drivetrain.bench.stats import num_warmup, trimmed_mean
from drivetrain.core.errors import DataError
from drivetrain.core.trials import CLOSING_LOSS, PEAK_BYTES, TRAINING_LOSS
from drivetrain.core.units import NS_PER_S
from drivetrain.ledger import Event

_NO_TRAINING = frozenset({"eval", "checkpoint"})  # phases inside a step that are no part of what it costs
_FEWEST_STEPS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one trial measured.

    Attributes:
      step_s: from the begin of one step to the begin of the next, waiting for data included, evaluation and checkpoints
        left out; mean of the settled steps without the extreme tenths.
      num_warmup: steps before they settled.
      startup_s: how much longer those took than settled ones.
      wait_share: of the settled steps' time, how much went into waiting for data.
      losses: of each step, mean over ranks, as it was before the step's update.
      closing_loss: mean over the closing steps, the weights held.
      peak_bytes: the most memory that one rank ever held.
    """

    step_s: float
    num_warmup: int
    startup_s: float
    wait_share: float
    losses: tuple[float, ...]
    closing_loss: float
    peak_bytes: int


def measure(events: Sequence[Event]) -> Measured:
    """What a finished trial measured, by rank 0's clock.

    Args:
      events: all of the trial, in order of time.
    Raises: DataError: it ended before it had measured anything.
    """
    losses = _means(events, TRAINING_LOSS)
    closing = _means(events, CLOSING_LOSS)
    peaks = [event.values[PEAK_BYTES] for event in events if event.values and PEAK_BYTES in event.values]
    times_s, waits_s = _step_times(events, len(losses))
    if len(times_s) < _FEWEST_STEPS or not closing or not peaks:
        raise DataError(
            f"the trial ended after {len(losses)} steps without having measured anything",
            hint="does the recipe go over run.steps to its end, and call run.step(loss) in it?",
        )
    skipped = num_warmup(times_s)
    step_s = trimmed_mean(times_s[skipped:])
    return Measured(
        step_s=step_s,
        num_warmup=skipped,
        startup_s=max(0.0, sum(times_s[:skipped]) - skipped * step_s),
        wait_share=sum(waits_s[skipped:]) / sum(times_s[skipped:]),
        losses=tuple(losses[step] for step in sorted(losses)),
        closing_loss=statistics.fmean(closing.values()),
        peak_bytes=int(max(peaks)),
    )


def _means(events: Sequence[Event], name: str) -> dict[int, float]:
    """Means over ranks of what was logged under a name, by step."""
    values: dict[int, list[float]] = defaultdict(list)
    for event in events:
        if event.values and name in event.values:
            values[event.step].append(event.values[name])
    return {step: statistics.fmean(of_step) for step, of_step in values.items()}


def _step_times(events: Sequence[Event], num_steps: int) -> tuple[list[float], list[float]]:
    """Seconds of each training step, and how many of them it waited for data."""
    times_s: list[float] = []
    waits_s: list[float] = []
    began_ns: int | None = None
    opened: dict[str, int] = {}
    other_ns = wait_ns = 0
    for event in events:
        if event.rank != 0:
            continue
        if event.kind == "begin":
            opened[event.phase] = event.mono_ns
        elif event.kind == "end" and event.phase in opened:
            spent_ns = event.mono_ns - opened.pop(event.phase)
            other_ns += spent_ns if event.phase in _NO_TRAINING else 0
            wait_ns += spent_ns if event.phase == "data_wait" else 0
        elif event.kind == "step_begin":
            if began_ns is not None and len(times_s) < num_steps:
                times_s.append((event.mono_ns - began_ns - other_ns) / NS_PER_S)
                waits_s.append(wait_ns / NS_PER_S)
            began_ns, other_ns, wait_ns = event.mono_ns, 0, 0
    return times_s, waits_s
