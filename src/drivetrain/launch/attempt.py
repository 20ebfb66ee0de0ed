"""One attempt as the launcher sees it: which ranks live, what they were told, how they ended."""

from __future__ import annotations

import signal

from drivetrain.core.units import NS_PER_S
from drivetrain.launch.output import Stream
from drivetrain.launch.policy import Failure, RankEnd, first_to_fail
from drivetrain.launch.watch import Progress, Watch

_SETTLE_NS = NS_PER_S // 2  # how long to wait for the cause when the first to leave is a consequence of it
_NUM_LAST_WORDS = 12


class Attempt:
    """The ranks of one attempt, from before they start until all have ended.

    When a rank fails, the others are told to end at once; when what failed first only lost a peer, the peer has a
    moment to leave by itself, so that its own reason is known. What does not end within the grace is killed.

    Attributes:
      pids: of the ranks that live.
      streams: by rank, its stdout and stderr.
      has_begun: whether ranks were asked for.
    """

    def __init__(self, number: int, num_ranks: int, *, grace_ns: int, watch: Watch) -> None:
        self.number = number
        self.pids: dict[int, int] = {}
        self.streams: dict[int, tuple[Stream, Stream]] = {}
        self.has_begun = False
        self.watch = watch
        self._num_ranks = num_ranks
        self._grace_ns = grace_ns
        self._ends: dict[int, RankEnd] = {}
        self._told: set[int] = set()
        self._stop_at_ns: int | None = None
        self._kill_at_ns: int | None = None
        self._silent_ns: int | None = None
        self._hung_rank = 0

    @property
    def is_over(self) -> bool:
        """Whether every rank has ended."""
        return len(self._ends) == self._num_ranks

    @property
    def unended(self) -> list[int]:
        """Ranks that have not ended; they may not have started yet."""
        return [rank for rank in range(self._num_ranks) if rank not in self._ends]

    @property
    def is_stopping(self) -> bool:
        """Whether what still lives has been told to end, or is about to be."""
        return self._stop_at_ns is not None

    @property
    def progress(self) -> Progress:
        """Where it stands, as of the watch's last poll."""
        return Progress(self.number, self.watch.furthest_step, self.watch.scalars, len(self.pids), self._num_ranks)

    def end(self, rank: int, code: int, at_ns: int) -> None:
        """A rank has ended; its streams have been read as far as they go."""
        self.pids.pop(rank, None)
        words = tuple(self.streams[rank][1].last_lines(_NUM_LAST_WORDS)) if rank in self.streams else ()
        self._ends[rank] = end = RankEnd(rank, code, at_ns, rank in self._told, last_words=words)
        if code != 0 and not end.is_consequence:
            self.stop(at_ns)
        elif code != 0:
            self.stop(at_ns + _SETTLE_NS)

    def hang(self, silent_ns: int, now_ns: int) -> None:
        """No rank has recorded anything for so long: give up on all that live."""
        self._silent_ns = silent_ns
        self._hung_rank = self.watch.least_far(sorted(self.pids))
        self.stop(now_ns)

    def stop(self, at_ns: int) -> None:
        """Have all that live told to end at that time, or earlier if that was said before."""
        self._stop_at_ns = at_ns if self._stop_at_ns is None else min(self._stop_at_ns, at_ns)

    def due(self, now_ns: int) -> int | None:
        """The signal that all living ranks are to be sent now, once each; None when it is time for none."""
        if self._kill_at_ns is not None and now_ns >= self._kill_at_ns:
            self._kill_at_ns = None
            return signal.SIGKILL
        if self._stop_at_ns is not None and now_ns >= self._stop_at_ns and not self._told:
            self._told = set(self.unended)
            self._kill_at_ns = now_ns + self._grace_ns
            return signal.SIGTERM
        return None

    @property
    def next_due_ns(self) -> int | None:
        """When to ask `due` again, if at any given time."""
        if self._kill_at_ns is not None:
            return self._kill_at_ns
        return None if self._told else self._stop_at_ns

    def failure(self) -> Failure | None:
        """Why it failed, once over; None when every rank ended well."""
        if self._silent_ns is not None:
            first: RankEnd | None = self._ends[self._hung_rank]
        else:
            first = first_to_fail(list(self._ends.values()))
        if first is None:
            return None
        step = self.watch.steps.get(first.rank)
        return Failure(self.number, first, step, self.watch.furthest_step, self._silent_ns)
