"""Where threads of the host meet devices and each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.profile.analyse.host_steps import HostSteps
from drivetrain.profile.analyse.links import Rows
from drivetrain.profile.analyse.nesting import Nesting
from drivetrain.profile.analyse.spans import backward_runs
from drivetrain.profile.analyse.words import Flags
from drivetrain.profile.trace import NONE, Indices, Ints, Trace


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Points in order of thread and time; shape (P,) where not said otherwise.

    Attributes:
      thread: index into `Trace.threads`.
      at_ns: when.
      row: the call that launches or waits; NONE where a thread only meets another, or steps begin or end.
      is_first: of its thread.
      calls, launch: calls that launch, ascending, and the point of each; shape (C,).
      waits, wait_end: calls that wait, and the points at which they return; shape (W,).
      woken, waker: points at which a thread goes on because another one has come to a point; shape (R,).
      end: points at which the last step ends; shape (0,) or (1,).
    """

    thread: Rows
    at_ns: Ints
    row: Rows
    is_first: Flags
    calls: Rows
    launch: Rows
    waits: Rows
    wait_end: Rows
    woken: Rows
    waker: Rows
    end: Rows

    def of_launch(self, call: Rows) -> Rows:
        """The point of each of these calls, NONE for NONE; shape of call."""
        place = np.searchsorted(self.calls, call)
        return np.where(call == NONE, NONE, np.append(self.launch, NONE)[place])


def points_of(trace: Trace, nesting: Nesting, steps: HostSteps, calls: Rows, waits: Rows) -> Points:
    """All points of a trace.

    Args:
      calls: that launch something, ascending.
      waits: calls that return only when something has ended.
    """
    groups = _groups(trace, nesting, steps, calls, waits)
    thread = np.concatenate([group[0] for group in groups])
    at_ns = np.concatenate([group[1] for group in groups])
    rank = np.concatenate([np.full(len(group[0]), group[2]) for group in groups])
    row = np.concatenate([group[3] for group in groups])
    order = np.lexsort((rank, at_ns, thread))
    place = np.empty(len(order), np.intp)
    place[order] = np.arange(len(order))
    thread = thread[order]
    _, end, launch, _, wait_end, left, entered, done, back = np.split(
        place, np.cumsum([len(group[0]) for group in groups])[:-1]
    )
    return Points(
        thread=thread,
        at_ns=at_ns[order],
        row=row[order],
        is_first=np.append(True, thread[1:] != thread[:-1])[: len(thread)],
        calls=calls,
        launch=launch,
        waits=waits,
        wait_end=wait_end,
        woken=np.concatenate([entered, back]),
        waker=np.concatenate([left, done]),
        end=end,
    )


_Group = tuple[Rows | Indices, Ints, int, Rows]
"""Thread, time, which of those at one time comes first, row."""


def _groups(trace: Trace, nesting: Nesting, steps: HostSteps, calls: Rows, waits: Rows) -> list[_Group]:
    """Begin and end of the steps, launches, waits' begins and ends, and four for each backward on its own thread."""
    runs = backward_runs(trace, nesting, steps)
    away = (runs.thread != steps.thread) & (runs.end_ns > runs.begin_ns)
    begin_ns, end_ns, engine = runs.begin_ns[away], runs.end_ns[away], runs.thread[away]
    leading = np.full(len(engine), steps.thread)
    edge = np.full(1 if len(steps) and steps.thread != NONE else 0, steps.thread)
    ends, begins, last = 0, 1, 2
    none = np.full(len(engine), NONE)
    return [
        (edge, steps.begin_ns[: len(edge)], begins, np.full(len(edge), NONE)),
        (edge, steps.end_ns[len(steps) - len(edge) :], last, np.full(len(edge), NONE)),
        (trace.thread[calls], trace.ts_ns[calls], begins, calls),
        (trace.thread[waits], trace.ts_ns[waits], begins, waits),
        (trace.thread[waits], trace.end_ns[waits], ends, waits),
        (leading, begin_ns, begins, none),
        (engine, begin_ns, begins, none),
        (engine, end_ns, ends, none),
        (leading, end_ns, ends, none),
    ]
