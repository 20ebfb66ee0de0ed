"""Which steps a trace holds, and which step an event belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.profile.analyse.intervals import covered, union
from drivetrain.profile.analyse.links import Rows, device_rows, launch_rows
from drivetrain.profile.analyse.words import STEP, is_step
from drivetrain.profile.trace import NONE, Ints, Kind, Trace


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """Steps in order of begin; shape (S,) each.

    Attributes:
      number: N of `ProfilerStep#N`; from 0 where the trace has no such annotations.
      begin_ns, end_ns: of each, from `origin.base_ns`.
      annotated: whether the program's steps were marked; else a span of the profiler, or all of the trace, is one.
    """

    number: Ints
    begin_ns: Ints
    end_ns: Ints
    annotated: bool

    def __len__(self) -> int:
        return len(self.number)


def steps(trace: Trace) -> Steps:
    """Steps as the host's annotations mark them; without any, each span of the profiler, or else the whole trace."""
    rows = trace.rows(Kind.ANNOTATION, Kind.CPU_OP)  # torch before 1.12 wrote steps as operators
    rows = rows[is_step(trace, rows)]
    if len(rows):
        number = np.array([_number(trace.names[name]) for name in trace.name[rows]], np.int64)
        return Steps(number, trace.ts_ns[rows], trace.end_ns[rows], annotated=True)
    rows = trace.rows(Kind.SPAN)
    rows = rows[trace.dur_ns[rows] > 0]
    if len(rows):
        return Steps(np.arange(len(rows)), trace.ts_ns[rows], trace.end_ns[rows], annotated=False)
    whole = [0] if len(trace) else []
    ends = [int(trace.end_ns.max())] if len(trace) else []
    begins = [int(trace.ts_ns[0])] if len(trace) else []
    return Steps(np.array(whole, np.int64), np.array(begins, np.int64), np.array(ends, np.int64), annotated=False)


def _number(name: str) -> int:
    found = STEP.match(name)
    return int(found[1]) if found else NONE


def step_at(found: Steps, at_ns: Ints) -> Rows:
    """Index of the step in which each of these times lies, the last begun if steps overlap; NONE for no step."""
    if not len(found):
        return np.full(len(at_ns), NONE, np.intp)
    last = np.searchsorted(found.begin_ns, at_ns, side="right") - 1
    return np.where((last >= 0) & (at_ns < found.end_ns[last]), last, NONE)


def begun_within(trace: Trace, rows: Rows, begin_ns: Ints, end_ns: Ints) -> Rows:
    """Those of these events that begin within windows; windows do not overlap, shape (W,)."""
    at_ns = trace.ts_ns[rows]
    kept: Rows = rows[covered(union(begin_ns, end_ns), at_ns, at_ns + 1) > 0]
    return kept


def step_by_launch(trace: Trace, found: Steps, rows: Rows) -> Rows:
    """Index of the step in which the launch of each of these device events began; NONE if none is known."""
    launches = launch_rows(trace, rows)
    return np.where(launches == NONE, NONE, step_at(found, trace.ts_ns[launches]))


def device_steps(trace: Trace, found: Steps) -> tuple[Steps, Ints]:
    """These steps, each until the device has done what was launched in it, and how many events that was; shape (S,).

    A call belongs to the step that it begins and ends in. A step ends with the last device event of its calls if that
    is later than the host's end, and begins no earlier than the step before it ends, so steps never overlap. If the
    device still works for calls before the first step, that step begins when it is done with them, provided that it is
    before its own first work. Source: `StepParser` of PyTorch's TensorBoard plugin 0.4, which then drops steps at the
    end that launched nothing, and the last if it launched less than 0.8 times what the one before did, since the
    profiler then probably missed some. Without device events the steps stay what they are.
    """
    rows = device_rows(trace)
    launches = launch_rows(trace, rows)
    step = np.where(launches == NONE, NONE, step_at(found, trace.ts_ns[launches]))
    inside = (step != NONE) & (trace.end_ns[launches] <= found.end_ns[step]) if len(found) else step != NONE
    count = np.bincount(step[inside], minlength=len(found)).astype(np.int64)
    if not inside.any():
        return found, count
    begin_ns, end_ns = _until_done(trace, found, rows, np.where(inside, step, NONE))
    kept = _num_whole(count)
    return Steps(found.number[:kept], begin_ns[:kept], end_ns[:kept], found.annotated), count[:kept]


def _until_done(trace: Trace, found: Steps, rows: Rows, step: Rows) -> tuple[Ints, Ints]:
    ends = trace.end_ns[rows]
    held = step != NONE
    last_ns = found.end_ns.copy()
    np.maximum.at(last_ns, step[held], ends[held])
    reached_ns = found.begin_ns[0]
    first = trace.ts_ns[rows][step == 0]
    if len(first):
        earlier = ends[~held & (ends < first.min())]
        reached_ns = max([reached_ns, *earlier.max(keepdims=True)]) if len(earlier) else reached_ns
    reached = np.maximum.accumulate(np.concatenate(([reached_ns], last_ns)))
    begin_ns = np.maximum(found.begin_ns, reached[:-1])
    return begin_ns, np.maximum(last_ns, begin_ns)


def _num_whole(count: Ints) -> int:
    """How many steps are left without those at the end of which too little was seen."""
    last = int(np.flatnonzero(count)[-1])
    partly = len(count) > 1 and last > 0 and count[last - 1] * 0.8 > count[last]
    return last if partly else last + 1
