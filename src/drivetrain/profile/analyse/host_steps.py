"""The steps of a trace as its leading thread has them: the stretches of time that are compared and averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drivetrain.profile.analyse.pieces import Pieces
from drivetrain.profile.analyse.steps import steps
from drivetrain.profile.analyse.words import is_step
from drivetrain.profile.trace import NONE, Ints, Kind, Trace


@dataclass(frozen=True, slots=True, eq=False)
class HostSteps:
    """Steps in order of time, none empty and none overlapping another.

    Attributes:
      number: as in `Steps`; shape (S,).
      begin_ns, end_ns: shape (S,).
      thread: index into `Trace.threads` of the thread that leads the steps; NONE where no host event is in the trace.
    """

    number: Ints
    begin_ns: Ints
    end_ns: Ints
    thread: int

    def __len__(self) -> int:
        return len(self.number)

    @property
    def dur_ns(self) -> Ints:
        """Durations; shape (S,)."""
        return self.end_ns - self.begin_ns

    def only(self, places: Sequence[int]) -> HostSteps:
        """Some of them, by place from 0."""
        kept = sorted(set(places))
        return HostSteps(self.number[kept], self.begin_ns[kept], self.end_ns[kept], self.thread)

    def pieces(self) -> Pieces:
        """Time owned by the place of the step."""
        edges = np.unique(np.concatenate([self.begin_ns, self.end_ns]))
        place = np.searchsorted(self.begin_ns, edges[:-1], side="right") - 1
        inside = (place >= 0) & (edges[:-1] < self.end_ns[place]) if len(place) else np.empty(0, np.bool_)
        return Pieces(edges, np.where(inside, place, NONE).astype(np.int32))


def host_steps(trace: Trace) -> HostSteps:
    """The steps; where two overlap (of two threads or two profilers), the earlier one keeps the time."""
    found = steps(trace)
    reached = np.maximum.accumulate(found.end_ns)
    begin_ns = np.concatenate([found.begin_ns[:1], np.maximum(found.begin_ns[1:], reached[:-1])])
    kept = reached > begin_ns
    thread = _marking_thread(trace) if found.annotated else leading_thread(trace)
    return HostSteps(found.number[kept], begin_ns[kept], reached[kept], thread)


def _marking_thread(trace: Trace) -> int:
    rows = trace.rows(Kind.ANNOTATION, Kind.CPU_OP)
    return int(trace.thread[rows[is_step(trace, rows)][0]])


def leading_thread(trace: Trace) -> int:
    """The thread whose operators and annotations, from the first to the last, take longest; NONE without any."""
    rows = trace.rows(Kind.CPU_OP, Kind.ANNOTATION)
    rows = rows if len(rows) else trace.rows(Kind.PYTHON, Kind.RUNTIME)
    if not len(rows):
        return NONE
    threads = np.unique(trace.thread[rows])
    begin_ns = np.full(len(trace.threads), np.iinfo(np.int64).max)
    end_ns = np.zeros(len(trace.threads), np.int64)
    np.minimum.at(begin_ns, trace.thread[rows], trace.ts_ns[rows])
    np.maximum.at(end_ns, trace.thread[rows], trace.end_ns[rows])
    return int(threads[np.argmax(end_ns[threads] - begin_ns[threads])])
