"""Which checkpoints to delete: a pure decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from drivetrain.core.units import Every


@dataclass(frozen=True, slots=True)
class Known:
    """What the decision needs of one checkpoint; see `CheckpointManifest`."""

    step: int
    made_at_ns: int
    finite: bool
    metric: float | None


@dataclass(frozen=True, slots=True)
class Retention:
    """Which checkpoints stay; the newest finite one always does.

    Attributes:
      newest: so many of the newest, at least 1.
      every: also the first of each so many steps or so much time, for good; None for no such.
      best: a metric's name; the checkpoint with the best value of it stays too, the first where several have it, which
        is the one next to the evaluation; empty for none.
      mode: whether less of it is better, or more.
    """

    newest: int
    every: Every | None = None
    best: str = ""
    mode: Literal["min", "max"] = "min"


def what_to_delete(known: Sequence[Known], policy: Retention) -> list[int]:
    """Steps of the checkpoints that no rule keeps, ascending."""
    ordered = sorted(known, key=lambda one: one.step)
    good = [one for one in ordered if one.finite]
    kept = {one.step for one in (*ordered[-policy.newest :], *good[-1:])}
    if policy.every is not None:
        seen: set[int] = set()
        for one in good:
            period = (one.step if policy.every.unit == "step" else one.made_at_ns) // policy.every.amount
            if period and period not in seen:
                kept.add(one.step)
            seen.add(period)
    measured = [one for one in good if one.metric is not None and one.metric == one.metric]
    if policy.best and measured:
        sign = 1 if policy.mode == "min" else -1
        kept.add(min(measured, key=lambda one: (sign * (one.metric or 0.0), one.step)).step)
    return [one.step for one in ordered if one.step not in kept]
