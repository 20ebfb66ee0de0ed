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
      finished: steps whose whole turn of the user's loop is over; less than `step` while the rest of a turn runs.
      is_updating: whether an update is half done.
    """

    num_microbatches: int = 1
    step: int = 0
    given: int = 0
    taken: int = 0
    finished: int = 0
    is_updating: bool = False

    def go_to(self, step: int) -> None:
        """Stand before a step whose state is restored; `is_updating` stays as it is."""
        self.step = self.finished = step
        self.given = self.taken = 0

    @property
    def is_whole(self) -> bool:
        """Whether the state is that before `step`, with nothing left to do for the steps before."""
        return self.finished == self.step and not self.is_updating
