"""Which step and microbatch training is at: the one thing that handing out and updating share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Position:
    """Counts of one rank.

    Attributes:
      num_microbatches: of one step.
      step: steps finished, which is also the number of the step being made.
      given: microbatches of that step handed to the user's loop.
      taken: microbatches of that step whose gradients are in.
    """

    num_microbatches: int = 1
    step: int = 0
    given: int = 0
    taken: int = 0
