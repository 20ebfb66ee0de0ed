"""How many bytes may be under way in a step: pure bookkeeping of one queue.

A step's queue holds its entries in order: some run, some are done and wait to be taken. What a result will weigh is not
known before it is there, so each entry that runs is counted at the most that any one before it took, input and output
together; the first one runs alone. An entry is always let in when nothing else is under way, however large. So the
limit is passed only by as much as entries that run at once outgrow all before them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Share:
    """One queue's part of the byte budget.

    Attributes:
      limit_bytes: most that may be under way.
      most_entries: most that may be under way, however small they are.
      peak_bytes: most that was under way at once, counted with what running entries turned out to take.
    """

    limit_bytes: int
    most_entries: int
    peak_bytes: int = 0
    _num_running: int = 0
    _num_done: int = 0
    _done_bytes: int = 0
    _largest_bytes: int = 0
    _num_finished: int = 0

    @property
    def admits(self) -> bool:
        """Whether another entry may be let in."""
        under_way = self._num_running + self._num_done
        if under_way == 0:
            return True
        if under_way >= self.most_entries or self._num_finished == 0:
            return False
        return self.held_bytes + self._largest_bytes <= self.limit_bytes

    def begin(self, input_bytes: int) -> None:
        """An entry was let in."""
        self._num_running += 1
        self._largest_bytes = max(self._largest_bytes, input_bytes)
        self.peak_bytes = max(self.peak_bytes, self.held_bytes)

    def finish(self, peak_bytes: int, output_bytes: int) -> None:
        """An entry has run, took this much while it did, and its result waits."""
        self._largest_bytes = max(self._largest_bytes, peak_bytes)
        self.peak_bytes = max(self.peak_bytes, self.held_bytes)
        self._num_running -= 1
        self._num_done += 1
        self._num_finished += 1
        self._done_bytes += output_bytes

    def take(self, output_bytes: int) -> None:
        """A result was taken out."""
        self._num_done -= 1
        self._done_bytes -= output_bytes

    @property
    def held_bytes(self) -> int:
        """Bytes of results that wait, and what running entries are counted at."""
        return self._done_bytes + self._num_running * self._largest_bytes

    @property
    def fullness(self) -> float:
        """How full it is of results that wait, by bytes or by number, whichever is more; 0 to 1."""
        return min(1.0, max(self._done_bytes / self.limit_bytes, self._num_done / self.most_entries))
