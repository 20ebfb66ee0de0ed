"""What the ranks of one attempt have recorded so far: how far they are, and when one was last heard of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from drivetrain.ledger import JournalTail
from drivetrain.store import RunFolder


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an attempt stands.

    Attributes:
      attempt: from 0.
      step: the last step that any rank began; None when none was recorded yet.
      scalars: the latest metrics that a rank logged, by name.
      num_alive: ranks that run.
    """

    attempt: int
    step: int | None
    scalars: Mapping[str, float]
    num_alive: int
    num_ranks: int


class Watch:
    """Follows the journals of an attempt's ranks.

    Attributes:
      steps: by rank, the last step it began; absent while it recorded none.
      scalars: the latest metrics that a rank logged.
      heard_ns: monotonic, when a poll last found a record of a living rank; None while there is no journal, so that a
        program that keeps none is never taken to hang.
      last_ns: by rank, the time of its last record, monotonic.
    """

    def __init__(self, run: RunFolder, *, attempt: int, num_ranks: int) -> None:
        self.steps: dict[int, int] = {}
        self.scalars: Mapping[str, float] = {}
        self.heard_ns: int | None = None
        self.last_ns: dict[int, int] = {}
        self._tails = [JournalTail(run.rank_journal(attempt, rank)) for rank in range(num_ranks)]

    def poll(self, now_ns: int) -> None:
        """Read what is new; `now_ns` is the monotonic time of asking."""
        for rank, tail in enumerate(self._tails):
            events = tail.poll()
            for event in events:
                if event.kind == "step_begin":
                    self.steps[rank] = event.step
                elif event.kind == "log" and event.values is not None:
                    self.scalars = event.values
            if events:
                self.heard_ns = now_ns
                self.last_ns[rank] = events[-1].mono_ns

    def silent_ns(self, now_ns: int) -> int:
        """How long no rank has recorded anything; 0 while there is no journal."""
        return 0 if self.heard_ns is None else now_ns - self.heard_ns

    @property
    def furthest_step(self) -> int | None:
        """The last step that any rank began."""
        return max(self.steps.values(), default=None)

    def least_far(self, ranks: list[int]) -> int:
        """Of these ranks, the one that began the lowest step, or, among equals, fell silent first."""
        return min(ranks, key=lambda rank: (self.steps.get(rank, -1), self.last_ns.get(rank, 0), rank))
