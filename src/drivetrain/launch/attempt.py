"""One attempt as the launcher sees it: which ranks live, what they were told, how they ended."""

from __future__ import annotations

import signal
from collections.abc import Collection

from drivetrain.core.units import NS_PER_MS, NS_PER_S
from drivetrain.launch.policy import Failure, RankEnd, first_to_fail
from drivetrain.launch.watch import Watch

_SETTLE_NS = NS_PER_S // 2  # how long to wait for the cause when what failed first is a consequence of it
_TOGETHER_NS = 15 * NS_PER_MS  # deaths so close to each other are one failure


class Attempt:
    """The ranks of one attempt, from before they start until it is over.

    When a rank fails, the attempt is failing; once it is known what else failed at the same time, it is concluded:
    ranks that are not kept are told to end, and killed after the grace. It is over when those have ended.

    Attributes:
      has_begun: whether ranks were asked for.
      failure: why it failed, once concluded; None when every rank ended well, or a person stopped it.
      grace_ns: how long ranks that are told to end have until they are killed.
      is_leaving: whether its ranks were asked to leave together, for another number of ranks.
    """

    def __init__(self, number: int, num_ranks: int, *, grace_ns: int, watch: Watch) -> None:
        self.number = number
        self.num_ranks = num_ranks
        self.has_begun = False
        self.watch = watch
        self.failure: Failure | None = None
        self.is_leaving = False
        self.grace_ns = grace_ns
        self._ends: dict[int, RankEnd] = {}
        self._stumbles: dict[int, RankEnd] = {}
        self._kept: frozenset[int] = frozenset()
        self._left: set[int] = set()
        self._leave_by_ns = 0
        self._to_tell: set[int] = set()
        self._told: set[int] = set()
        self._is_concluded = False
        self._settles_at_ns: int | None = None
        self._kill_at_ns: int | None = None
        self._silent_ns: int | None = None
        self._is_busy = False
        self._hung_rank = 0

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it: every rank has ended, or stays for the next attempt."""
        return all(rank in self._ends or rank in self._kept for rank in range(self.num_ranks))

    @property
    def unended(self) -> list[int]:
        """Ranks that have not ended; they may not have started yet."""
        return [rank for rank in range(self.num_ranks) if rank not in self._ends]

    @property
    def is_concluded(self) -> bool:
        """Whether it was decided what happens to each rank."""
        return self._is_concluded

    def end(self, rank: int, code: int, at_ns: int, last_words: tuple[str, ...]) -> None:
        """A rank's process has ended."""
        self._ends[rank] = end = RankEnd(rank, code, at_ns, rank in self._told, last_words=last_words)
        if code != 0:
            self._settle(at_ns + (_SETTLE_NS if end.is_consequence else _TOGETHER_NS))
            if rank == self._hung_rank and self._silent_ns is not None:
                self._settle(at_ns)

    def stumble(self, rank: int, words: str, at_ns: int) -> None:
        """A rank has lost a peer, and lives."""
        self._stumbles[rank] = RankEnd(rank, 1, at_ns, last_words=(words,))
        self._settle(at_ns + _SETTLE_NS)

    def hang(self, rank: int, silent_ns: int, is_busy: bool = False) -> None:
        """A rank is taken to hang, in silence or without a step done for so long; it is about to be killed."""
        self._silent_ns, self._is_busy = silent_ns, is_busy
        self._hung_rank = rank

    def ask_to_leave(self, by_ns: int) -> None:
        """Its ranks were asked to leave together; those that have not by then end with it."""
        self.is_leaving = True
        self._leave_by_ns = by_ns

    def leave(self, rank: int) -> None:
        """A rank has left, and waits for the next attempt."""
        self._left.add(rank)

    @property
    def left(self) -> frozenset[int]:
        """Ranks that have left and wait."""
        return frozenset(self._left - self._ends.keys())

    @property
    def has_ended_well(self) -> bool:
        """Whether every rank came to its own end."""
        return len(self._ends) == self.num_ranks and all(end.code == 0 for end in self._ends.values())

    def has_left(self, now_ns: int) -> bool:
        """Whether its ranks have left as they were asked to, as far as they will."""
        is_time = now_ns >= self._leave_by_ns or self._left.issuperset(self.unended)
        return self.is_leaving and not self._is_concluded and self._settles_at_ns is None and is_time

    def has_settled(self, now_ns: int) -> bool:
        """Whether it has failed and all that belongs to the failure is known."""
        return self._settles_at_ns is not None and now_ns >= self._settles_at_ns and not self._is_concluded

    def judge(self) -> Failure | None:
        """Why it failed, by what is known now."""
        hung = None if self._silent_ns is None else self._ends.get(self._hung_rank)
        if hung is not None and hung.code != 0:  # else it came to its end before it was killed
            first: RankEnd | None = hung
        else:
            first = first_to_fail(list(self._ends.values())) or first_to_fail(list(self._stumbles.values()))
        if first is None:
            return None
        step = self.watch.steps.get(first.rank)
        return Failure(self.number, first, step, self.watch.furthest_step, self._silent_ns, self._is_busy)

    def conclude(self, failure: Failure | None, kept: Collection[int]) -> None:
        """Decide: these ranks stay for the next attempt, all others are told to end. Once more changes who stays."""
        self.failure = failure
        self._is_concluded = True
        self._kept = frozenset(kept)
        self._to_tell = set(self.unended) - self._kept

    def due(self, now_ns: int) -> tuple[int, list[int]] | None:
        """The signal that ranks are to be sent now, and which; None when it is time for none."""
        untold = sorted(self._to_tell - self._told - self._ends.keys())
        if untold:
            self._told |= set(untold)
            self._kill_at_ns = now_ns + self.grace_ns
            return signal.SIGTERM, untold
        if self._kill_at_ns is not None and now_ns >= self._kill_at_ns:
            self._kill_at_ns = None
            return signal.SIGKILL, sorted(self._told - self._ends.keys())
        return None

    @property
    def next_due_ns(self) -> int | None:
        """When to look again, if at any given time."""
        if self._is_concluded:
            return self._kill_at_ns
        return self._leave_by_ns if self.is_leaving and self._settles_at_ns is None else self._settles_at_ns

    def _settle(self, at_ns: int) -> None:
        self._settles_at_ns = at_ns if self._settles_at_ns is None else min(self._settles_at_ns, at_ns)
