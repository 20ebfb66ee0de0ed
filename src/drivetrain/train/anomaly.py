"""What to do about a step whose numbers went wrong: a function of what happened before, and of nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

from drivetrain.train.settings import Anomaly

Verdict = Literal["good", "skip", "back", "stop"]


@dataclass(frozen=True, slots=True)
class Reading:
    """The numbers of one step, the same on every rank.

    Attributes:
      step: which one.
      loss: mean over microbatches and ranks.
      norm: of the whole gradient before clipping.
      limit: losses above it are spikes.
      loss_scale: what the loss was multiplied by; above 1 only in fp16.
    """

    step: int
    loss: float
    norm: float
    limit: float = math.inf
    loss_scale: float = 1.0

    @property
    def is_overflow(self) -> bool:
        """The loss scale was too large for fp16, which is a matter of course: it is halved."""
        return self.loss_scale > 1 and math.isfinite(self.loss) and not math.isfinite(self.norm)

    @property
    def wrong(self) -> str:
        """What is wrong with the step, or an empty string."""
        if not math.isfinite(self.loss):
            return f"the loss is {self.loss}"
        if not math.isfinite(self.norm):
            return f"the gradient's norm is {self.norm}"
        return f"the loss is {self.loss:.6g}, above {self.limit:.6g}" if self.loss > self.limit else ""


@dataclass(frozen=True, slots=True)
class History:
    """What is remembered from step to step.

    Attributes:
      streak: anomalous steps in a row, until now.
      last_applied: the last step whose update went into the weights; -1 before the first.
      suspects: steps after whose update everything was wrong; on the second way it is left out.
      known: steps that were anomalous on the first way; they do not count again.
      furthest: the step from which the run last went back; -1 when a later step has been good since.
    """

    streak: tuple[int, ...] = ()
    last_applied: int = -1
    suspects: frozenset[int] = frozenset()
    known: frozenset[int] = frozenset()
    furthest: int = -1

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "streak": list(self.streak),
            "last_applied": self.last_applied,
            "suspects": sorted(self.suspects),
            "known": sorted(self.known),
            "furthest": self.furthest,
        }

    @classmethod
    def of(cls, plain: dict[str, Any]) -> History:
        """What `plain` gave."""
        return cls(
            tuple(plain["streak"]),
            plain["last_applied"],
            frozenset(plain["suspects"]),
            frozenset(plain["known"]),
            plain["furthest"],
        )


def judge(history: History, policy: Anomaly, step: int, *, is_anomalous: bool) -> tuple[History, Verdict]:
    """Take in a step; an anomalous one's update has not been applied.

    Going back repeats the same steps from the same state, so that something must differ: the last update that went in
    before everything was wrong is left out the second time. Where that does not help either, the run stops: without a
    good step past the place from which it went back, it would go back for ever.
    """
    if not is_anomalous:
        is_past = step > history.furthest
        return replace(history, streak=(), last_applied=step, furthest=-1 if is_past else history.furthest), "good"
    if step in history.known:
        return history, "skip"
    streak = (*history.streak, step)
    if len(streak) <= policy.skip:
        return replace(history, streak=streak), "skip"
    if policy.then == "stop" or history.furthest >= 0:
        return replace(history, streak=streak), "stop"
    suspects = history.suspects | ({history.last_applied} if history.last_applied >= 0 else set())
    return History(suspects=suspects, known=history.known.union(streak), furthest=step), "back"
