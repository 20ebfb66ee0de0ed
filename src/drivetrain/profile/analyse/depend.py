"""What had to happen before what: threads of the host and streams of devices as one graph of causes.

A node is a point on a thread at which it meets a device or another thread, or a device event. It begins when the last
of its causes has ended and the delay after that has passed:
  1. a point: the one before on its thread, and the host's work between them;
  2. a device event: its launch; the event before on its stream; one of another stream, where the program makes streams
     wait and the event began later than launch and stream explain, the one that had ended last;
  3. the end of a call that waits, or of a copy that blocks: of the device events launched before it, the one that ended
     last while it lasted;
  4. backward on a thread of its own: the leading thread, which in turn goes on when backward has ended.
The delay after the cause that ended last is what the trace shows; after the others it is the shortest launch seen, or
0. So a replay with nothing changed gives the trace's own times. Other processes are not in it: a collective takes what
it took.

Source: the graph of HolisticTraceAnalysis ("critical path analysis") is of this kind. Waits for CUDA events, which it
takes from `cudaEventRecord`, are found here by time, since not all traces tell them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.profile.analyse.host_steps import HostSteps, host_steps
from drivetrain.profile.analyse.links import Rows
from drivetrain.profile.analyse.names import is_named, is_wait
from drivetrain.profile.analyse.operators import HostTree, host_tree
from drivetrain.profile.analyse.pieces import Pieces, innermost
from drivetrain.profile.analyse.points import points_of
from drivetrain.profile.trace import NONE, Ints, Trace

_COPY = r"^(cuda|hip)Memcpy"
_STREAM_WAIT = r"^(cuda|hip|cu)StreamWaitEvent"
_TURNS = 64

WORK, LAUNCH, STREAM, OTHER = range(4)
"""Kinds of causes: the thread's own work, a launch, the stream's order, and waits for anything else."""


@dataclass(frozen=True, slots=True, eq=False)
class Dependencies:
    """The graph; shape (G,) for nodes: points first, in order of thread and time, then device events.

    Attributes:
      row: of a device event; of the call at a point, NONE where there is none.
      thread: of a point; NONE of device events.
      begin_ns, dur_ns: as traced; a point takes no time.
      cause: node by kind of cause, G for the beginning of the trace, NONE for none; shape (G, 4).
      delay_ns: from the end of the cause on; shape (G, 4).
      order: nodes, causes before effects.
      steps: that are looked at.
      last: nodes of which the latest end is the end of the last step.
      does: by thread that has points, its time by the innermost event.
    """

    row: Rows
    thread: Rows
    begin_ns: Ints
    dur_ns: Ints
    cause: npt.NDArray[np.int64]
    delay_ns: Ints
    order: Rows
    steps: HostSteps
    last: Rows
    does: Mapping[int, Pieces]

    @property
    def end_ns(self) -> Ints:
        """As traced, of all nodes and of the beginning of the trace; shape (G + 1,)."""
        return np.append(self.begin_ns + self.dur_ns, 0)

    @property
    def fixed_end_ns(self) -> int:
        """What the last step cannot end before, whatever happens: its end if no thread of the host is in the trace."""
        is_led = (self.thread[self.last] != NONE).any()
        return 0 if is_led or not len(self.steps) else int(self.steps.end_ns[-1])


def dependencies(trace: Trace, *, tree: HostTree | None = None) -> Dependencies:
    """The graph of a trace."""
    tree = tree or host_tree(trace)
    steps = host_steps(trace)
    events, call = tree.launched.events, tree.launched.call
    points = points_of(trace, tree.nesting, steps, np.unique(call[call != NONE]), _waiting(trace, events, call))
    num = len(points.at_ns)
    begin_ns = np.concatenate([points.at_ns, trace.ts_ns[events]])
    dur_ns = np.concatenate([np.zeros(num, np.int64), trace.dur_ns[events]])
    cause = np.full((num + len(events), 4), NONE, np.int64)
    cause[:num, WORK] = np.where(points.is_first, num + len(events), np.arange(num) - 1)
    cause[points.woken, OTHER] = points.waker
    cause[points.wait_end, OTHER] = _nodes(_ended_last(trace, events, call, points.waits), num)
    cause[num:, LAUNCH] = points.of_launch(call)
    cause[num:, STREAM] = _nodes(_before_on_stream(trace, events), num)
    launched_ns = np.where(call == NONE, trace.ts_ns[events], trace.ts_ns[call])
    if is_named(trace, _STREAM_WAIT).any():
        cause[num:, OTHER] = _nodes(_of_other_streams(trace, events, launched_ns), num)
    threads = np.unique(points.thread).tolist()
    order = _order(begin_ns, dur_ns, cause)
    cause, delay_ns = _delays(begin_ns, dur_ns, cause, order)
    return Dependencies(
        row=np.concatenate([points.row, events]),
        thread=np.concatenate([points.thread, np.full(len(events), NONE)]),
        begin_ns=begin_ns,
        dur_ns=dur_ns,
        cause=cause,
        delay_ns=delay_ns,
        order=order,
        steps=steps,
        last=np.concatenate([points.end, num + _last_of_steps(trace, steps, events, launched_ns)]),
        does={thread: innermost(trace, tree.nesting, tree.nesting.of_thread(trace, thread)) for thread in threads},
    )


def _nodes(events: Rows, num_points: int) -> Rows:
    return np.where(events == NONE, NONE, events + num_points)


def _waiting(trace: Trace, events: Rows, call: Rows) -> Rows:
    """Calls that wait: by name, and copies that return after their own work has ended."""
    known = call != NONE
    done = trace.end_ns[events[known]] <= trace.end_ns[call[known]]
    copies = call[known][done & is_named(trace, _COPY)[call[known]]]
    rows = np.unique(np.concatenate([np.flatnonzero(is_wait(trace)), copies]))
    lasting: Rows = rows[trace.dur_ns[rows] > 0]
    return lasting


def _ended_last(trace: Trace, events: Rows, call: Rows, waits: Rows) -> Rows:
    """For each wait the place of the event, launched before it, that ended last while it lasted; else NONE."""
    launched_ns = np.where(call == NONE, trace.ts_ns[events], trace.ts_ns[call])
    by_end = np.argsort(trace.end_ns[events], kind="stable")
    ends = trace.end_ns[events][by_end]
    found = np.full(len(waits), NONE)
    until = np.searchsorted(ends, trace.end_ns[waits], side="right") - 1
    for wait, (place, begin_ns) in enumerate(zip(until.tolist(), trace.ts_ns[waits].tolist(), strict=True)):
        while place >= 0 and ends[place] > begin_ns:
            if launched_ns[by_end[place]] <= begin_ns:
                found[wait] = by_end[place]
                break
            place -= 1
    return found


def _before_on_stream(trace: Trace, events: Rows) -> Rows:
    """Place of the event before each on its stream, NONE for the first; shape (E,)."""
    order = np.argsort(trace.thread[events], kind="stable")
    same = trace.thread[events[order[1:]]] == trace.thread[events[order[:-1]]]
    before = np.full(len(events), NONE)
    before[order[1:][same]] = order[:-1][same]
    return before


def _of_other_streams(trace: Trace, events: Rows, launched_ns: Ints) -> Rows:
    """For events that began later than launch and stream explain: who had ended last, if of another stream."""
    begin_ns, end_ns = trace.ts_ns[events], trace.end_ns[events]
    before = _before_on_stream(trace, events)
    ready_ns = np.maximum(launched_ns + _shortest(begin_ns - launched_ns), np.where(before == NONE, 0, end_ns[before]))
    by_end = np.argsort(end_ns, kind="stable")
    place = np.searchsorted(end_ns[by_end], begin_ns, side="right") - 1
    other = np.where(place >= 0, by_end[place], NONE) if len(by_end) else place
    fits = (other != NONE) & (end_ns[other] > ready_ns) & (begin_ns[other] < begin_ns)
    return np.where(fits & (trace.thread[events[other]] != trace.thread[events]), other, NONE)


def _shortest(lags: Ints) -> int:
    return int(lags[lags > 0].min(initial=np.iinfo(np.int64).max)) if (lags > 0).any() else 0


def _last_of_steps(trace: Trace, steps: HostSteps, events: Rows, launched_ns: Ints) -> Rows:
    """Places of the events launched before the last step's end, the last of each stream."""
    inside = np.flatnonzero(launched_ns < steps.end_ns[-1]) if len(steps) else np.empty(0, np.intp)
    backwards = inside[::-1]
    _, first = np.unique(trace.thread[events[backwards]], return_index=True)
    kept: Rows = backwards[first]
    return kept


def _order(begin_ns: Ints, dur_ns: Ints, cause: npt.NDArray[np.int64]) -> Rows:
    """Nodes by begin; of those that begin at once, causes first, as far as a few turns can tell."""
    rank = np.zeros(len(begin_ns), np.int64)
    node, kind = np.nonzero((cause != NONE) & (cause < len(begin_ns)))
    source = cause[node, kind]
    tied = (begin_ns[source] == begin_ns[node]) & (dur_ns[source] == 0)
    node, source = node[tied], source[tied]
    for _ in range(_TURNS):
        before = rank.copy()
        np.maximum.at(rank, node, before[source] + 1)
        if np.array_equal(rank, before):
            break
    return np.lexsort((rank, begin_ns))


def _delays(
    begin_ns: Ints, dur_ns: Ints, cause: npt.NDArray[np.int64], order: Rows
) -> tuple[npt.NDArray[np.int64], Ints]:
    """Causes that can be ones, in time and in order, and the delay after each."""
    num = len(begin_ns)
    place = np.empty(num + 1, np.int64)
    place[order] = np.arange(num)
    place[num] = -1
    ends = np.append(begin_ns + dur_ns, 0)
    valid = (cause != NONE) & (ends[cause] <= begin_ns[:, None]) & (place[cause] < place[:num, None])
    valid[~valid.any(axis=1), WORK] = True
    cause = np.where(valid, np.where(cause == NONE, num, cause), NONE)
    orphans = valid[:, WORK] & ((cause[:, WORK] == NONE) | (ends[cause[:, WORK]] > begin_ns))
    cause[orphans, WORK] = num
    ended = np.where(valid, ends[cause], -1)
    lag = np.where(valid, begin_ns[:, None] - ended, 0)
    latest = 3 - np.argmax(ended[:, ::-1], axis=1)  # of equal ones, waits come before work
    delay = np.zeros_like(cause)
    delay[:, LAUNCH] = np.minimum(lag[:, LAUNCH], _shortest(lag[latest == LAUNCH, LAUNCH]))
    nodes = np.arange(num)
    delay[nodes, latest] = lag[nodes, latest]
    return cause, delay
