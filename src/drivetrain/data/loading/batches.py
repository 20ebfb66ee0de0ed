"""One pass over the endless sequence from a position on: made ahead by threads, given in order."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from drivetrain.data.loading.crew import Crew
from drivetrain.data.loading.draft import Draft
from drivetrain.data.loading.filling import Filler
from drivetrain.data.loading.memory import Memory
from drivetrain.data.loading.tally import Tally, now_ns
from drivetrain.data.share import Share

Batch = Mapping[str, Any]
"""One microbatch of one rank.

Each part by its name without ending: a stacked array where all samples' have one shape (`image`: uint8, B x H x W x 3,
RGB; `label`: uint8, B x H x W, 255 is unlabelled), else a list. key: what each sample is called. position: int64, B, of
each sample in the endless sequence. Columns that were asked for: an array of numbers, or a list.
"""


@dataclass
class Cursor:
    """Microbatches given so far, counted from the beginning of training; outlives the iterator that moves it."""

    number: int = 0


@dataclass(frozen=True)
class Ahead:
    """How much is made ahead.

    Attributes:
      batches: most batches.
      budget_bytes: most bytes of their arrays; one batch is always allowed.
    """

    batches: int
    budget_bytes: int


class Batches(Iterator[Batch]):
    """Reads ahead, gives in order; stops when closed, forgotten, or when it raises."""

    def __init__(
        self,
        fill: Filler,
        share: Share,
        cursor: Cursor,
        ahead: Ahead,
        memory: Memory,
        tallies: list[Tally],
        finish: Callable[[dict[str, Any]], Batch],
    ) -> None:
        """Starts as many threads as there are tallies but one; the last is that of whoever iterates.

        Args:
          fill: puts a sample into a draft.
          share: which positions.
          cursor: where to begin; is moved.
          ahead: how much to make ahead.
          memory: of batches.
          tallies: one a thread, and one more.
          finish: what becomes of a batch at last.
        """
        self._fill, self._share, self._cursor, self._limits = fill, share, cursor, ahead
        self._memory, self._tallies, self._finish = memory, tallies, finish
        self._ahead: deque[Draft] = deque()
        self._batch_bytes = 0
        self._closed = False
        self.crew = Crew(len(tallies) - 1, "drivetrain-loader", on_idle=partial(_add_idle, tallies))
        weakref.finalize(self, _stop, self.crew, fill)

    def __next__(self) -> Batch:
        if self._closed:
            raise StopIteration
        try:
            batch = self._finish(self._take())
        except BaseException:
            self.close()
            raise
        return batch

    def _take(self) -> dict[str, Any]:
        tally, asked_ns = self._tallies[-1], now_ns()
        self._begin_ahead()
        draft = self._ahead[0]
        tally.num_batches += 1
        tally.num_ready += draft.done.is_set()
        self.crew.wait(draft.done)
        if self._closed:  # by another thread, or a signal handler
            raise StopIteration
        tally.wait_ns += now_ns() - asked_ns
        batch = draft.finish()
        self._ahead.popleft()
        self._cursor.number += 1
        self._batch_bytes = draft.num_bytes
        if len(self._tallies) > 1:
            self._begin_ahead()
        return batch

    def _begin_ahead(self) -> None:
        """Have as many batches made as may be; what the first one needs is known only when it is there."""
        most = min(self._limits.batches, self._limits.budget_bytes // self._batch_bytes) if self._batch_bytes else 1
        while len(self._ahead) < max(1, most):
            positions = self._share.positions(self._cursor.number + len(self._ahead))
            draft = Draft(positions, self._fill.sequence.at(positions), self._memory)
            self._ahead.append(draft)
            self._fill.will_need(draft)
            self.crew.do([partial(_put_in, self._fill, draft, number, self._tallies) for number in range(len(draft))])

    def close(self) -> None:
        """Stop reading ahead and wait for the threads to end."""
        self._closed = True
        self._ahead.clear()
        _stop(self.crew, self._fill)


def _stop(crew: Crew, fill: Filler) -> None:
    crew.stop()
    fill.close()


def _put_in(fill: Filler, draft: Draft, number: int, tallies: list[Tally], thread: int) -> None:
    if draft.error is not None:
        return
    try:
        fill(draft, number, tallies[thread])
    except Exception as exc:  # noqa: BLE001 - it is raised to whoever waits
        draft.fail(exc)
    else:
        draft.count()


def _add_idle(tallies: list[Tally], thread: int, idle_ns: int) -> None:
    tallies[thread].idle_ns += idle_ns
