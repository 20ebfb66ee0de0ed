"""How far a job really is, which a policy is not told: what it did in each attempt, and what of that is done again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from drivetrain.compute.controller.states import AttemptRecord
from drivetrain.compute.policy.values import MILLI
from drivetrain.compute.simulate.values import Arrival, Story
from drivetrain.core.leaves import Leaf
from drivetrain.core.units import NS_PER_S
from drivetrain.ledger.fleet.events import LETTERS, RankTold, Told


@dataclass(slots=True)
class Work:
    """A job and the attempt that it is in.

    Attributes:
      story: what became of it; `done_s` of that is the work that is kept, from before this attempt.
      attempt: as it was placed; None while it waits.
      since_s: when it began to work in it: a start after the first one takes `restart_s`.
      rate: work a second, 1 on its fewest nodes.
    """

    story: Story
    attempt: AttemptRecord | None = None
    since_s: float = 0.0
    rate: float = 1.0

    @staticmethod
    def of(arrival: Arrival) -> Work:
        """Of one that comes."""
        return Work(Story(arrival.job, arrival.run_s))

    def begin(self, attempt: AttemptRecord, now_s: float) -> None:
        """It starts, on so many nodes."""
        delay_s = self.story.job.restart_s if self.story.starts_s else 0.0
        self.attempt, self.since_s = attempt, now_s + delay_s
        self.rate = _rate(self.story.job.speed_by_nodes, self.story.job.request.min_nodes, len(attempt.shares))
        self.story.starts_s.append(now_s)
        self.story.outcome = "running"

    @property
    def done_at_s(self) -> float:
        """When it will be done, left alone."""
        return self.since_s + max(0.0, self.story.run_s - self.story.done_s) / self.rate

    def reached_s(self, now_s: float) -> float:
        """Work that would be kept if it saved now."""
        if self.attempt is None:
            return self.story.done_s
        return min(self.story.run_s, self.story.done_s + max(0.0, now_s - self.since_s) * self.rate)

    def num_saves(self, now_s: float) -> int:
        """Since the attempt began, as often as the job saves."""
        every_s = self.story.job.save_every_s
        return int((now_s - self.story.starts_s[-1]) // every_s) if every_s else 0

    def saved_s(self, num_saves: int) -> float:
        """When the last of so many was complete."""
        return self.story.starts_s[-1] + num_saves * (self.story.job.save_every_s or 0.0)

    def end(self, now_s: float, *, saves: bool) -> Told:
        """The attempt is over. Args: saves: all that it did is kept; else what it did since its last save is not.

        Returns: what its account says of the attempt.
        """
        assert self.attempt is not None
        kept_s = now_s
        if not saves:
            num = self.num_saves(now_s)
            kept_s = min(now_s, max(self.since_s, self.saved_s(num))) if num else min(now_s, self.since_s)
        worked_s = max(0.0, now_s - max(kept_s, self.since_s))
        self.story.lost_s += worked_s * num_devices(self.attempt)
        self.story.done_s = self.reached_s(kept_s)
        self.story.ends_s.append(now_s)
        self.story.outcome = "waiting"
        told = self._told(kept_s, now_s)
        self.attempt = None
        return told

    def _told(self, kept_s: float, now_s: float) -> Told:
        assert self.attempt is not None
        edges_s = (self.story.starts_s[-1], min(self.since_s, now_s), max(kept_s, min(self.since_s, now_s)), now_s)
        edges_ns = [at_ns(each) for each in edges_s]
        spans_ns = tuple(after - before for before, after in pairwise(edges_ns))
        letters = "".join(LETTERS[leaf] for leaf in (Leaf.RESTORE, Leaf.PRODUCTIVE, Leaf.LOST))
        rank = RankTold(0, 1, edges_ns[0], spans_ns, letters)
        return Told(edges_ns[-1], self.story.job.job, self.attempt.number, (rank,))


def num_devices(attempt: AttemptRecord) -> float:
    """That it has, parts of them among these."""
    return sum(milli for share in attempt.shares for _, milli in share.milli) / MILLI


def at_ns(seconds: float) -> int:
    """An instant as the ledger has it."""
    return int(seconds * NS_PER_S)


def _rate(speed_by_nodes: Mapping[int, float], fewest: int, num: int) -> float:
    """Where its speed was not measured, more nodes bring nothing."""
    base, now = speed_by_nodes.get(fewest), speed_by_nodes.get(num)
    return now / base if base and now else 1.0
