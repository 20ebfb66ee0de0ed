"""The critical path of a trace's steps, and what would be if something took another time.

The path goes back from the end of the last step: from each node to the cause that ended last, and so on (depend.py has
the causes). Its parts follow each other without a gap, so they sum to the time from the first step's begin to the end.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.profile.analyse.depend import LAUNCH, OTHER, STREAM, WORK, Dependencies
from drivetrain.profile.analyse.links import Rows
from drivetrain.profile.analyse.names import is_kind, is_named
from drivetrain.profile.analyse.nesting import Nesting
from drivetrain.profile.analyse.operators import HostTree
from drivetrain.profile.analyse.pieces import first_come, overlay
from drivetrain.profile.analyse.words import STEP, Flags
from drivetrain.profile.trace import DEVICE_KINDS, NONE, Kind, Trace

GAP = "Python and gaps"


class Where(enum.StrEnum):
    """What a part of the path is."""

    HOST = "host"  # the host's own work
    DEVICE = "device"
    LAUNCH = "launch"  # from a launch to the begin of its work
    BETWEEN = "between"  # from one event of a stream to the next
    WAKING = "waking"  # from the end of what was waited for to going on


@dataclass(frozen=True, slots=True)
class PathPart:
    """A share of the critical path.

    Attributes:
      name: of the device event, also of one that is about to begin; of the host's innermost operator or call.
      num_pieces: how often the path passes.
    """

    where: Where
    name: str
    dur_ns: int
    num_pieces: int


@dataclass(frozen=True, slots=True)
class CriticalPath:
    """What the steps took as long as they did for.

    Attributes:
      total_ns: from the first step's begin to the end of the last step and of what it launched; the parts sum to it.
      num_steps: in that time.
      parts: longest first.
    """

    total_ns: int
    num_steps: int
    parts: tuple[PathPart, ...]

    def share(self, where: Where) -> float:
        """Of all of it, how much is of this kind; 0 to 1."""
        return sum(part.dur_ns for part in self.parts if part.where == where) / max(self.total_ns, 1)


@dataclass(frozen=True, slots=True, eq=False)
class _Walk:
    """The path as stretches of time; shape (K,)."""

    where: list[Where]
    row: list[int]
    thread: list[int]
    begin_ns: list[int]
    end_ns: list[int]


def critical_path(trace: Trace, graph: Dependencies) -> CriticalPath:
    """The path and its shares by name."""
    if not len(graph.steps) or not len(graph.last):
        return CriticalPath(0, 0, ())
    from_ns = int(graph.steps.begin_ns[0])
    until_ns = max(int(graph.end_ns[graph.last].max()), graph.fixed_end_ns)
    walk = _walk(graph, from_ns)
    total: dict[tuple[Where, str], list[int]] = defaultdict(lambda: [0, 0])
    for where, row, begin_ns, end_ns in zip(walk.where, walk.row, walk.begin_ns, walk.end_ns, strict=True):
        if where != Where.HOST and end_ns > begin_ns:
            _add(total[where, trace.names[trace.name[row]] if row != NONE else GAP], end_ns - begin_ns)
    for name, dur_ns, num in _host_parts(trace, graph, walk):
        _add(total[Where.HOST, name], dur_ns, num)
    unseen_ns = until_ns - from_ns - sum(dur_ns for dur_ns, _ in total.values())
    if unseen_ns:
        _add(total[Where.HOST, GAP], unseen_ns)
    parts = (PathPart(where, name, dur_ns, num) for (where, name), (dur_ns, num) in total.items())
    return CriticalPath(
        until_ns - from_ns, len(graph.steps), tuple(sorted(parts, key=lambda part: (-part.dur_ns, part.name)))
    )


def _add(sums: list[int], dur_ns: int, num: int = 1) -> None:
    sums[0] += dur_ns
    sums[1] += num


_KINDS = {WORK: Where.HOST, LAUNCH: Where.LAUNCH, STREAM: Where.BETWEEN, OTHER: Where.WAKING}


def _walk(graph: Dependencies, from_ns: int) -> _Walk:
    """Back from the last node to the first step's begin."""
    ended = np.where(graph.cause == NONE, -1, graph.end_ns[graph.cause] + graph.delay_ns)
    latest = 3 - np.argmax(ended[:, ::-1], axis=1)
    causes, kinds = graph.cause[np.arange(len(latest)), latest].tolist(), latest.tolist()
    begins, ends, rows, threads = (each.tolist() for each in (graph.begin_ns, graph.end_ns, graph.row, graph.thread))
    found = _Walk([], [], [], [], [])

    def add(where: Where, node: int, begin_ns: int, end_ns: int) -> None:
        if end_ns > max(begin_ns, from_ns):
            found.where.append(where)
            found.row.append(rows[node])
            found.thread.append(threads[node])
            found.begin_ns.append(max(begin_ns, from_ns))
            found.end_ns.append(end_ns)

    node = int(graph.last[np.argmax(graph.end_ns[graph.last])])
    while node < len(rows) and ends[node] > from_ns:
        add(Where.DEVICE, node, begins[node], ends[node])
        kind = _KINDS[kinds[node]] if threads[node] != NONE or kinds[node] != WORK else Where.LAUNCH  # not seen
        add(kind, node, ends[causes[node]], begins[node])
        node = causes[node]
    return found


def _host_parts(trace: Trace, graph: Dependencies, walk: _Walk) -> Iterable[tuple[str, int, int]]:
    """The host's stretches of the path by what was innermost on their thread: name, time, number of pieces."""
    is_host = np.array([where == Where.HOST for where in walk.where], np.bool_)
    thread = np.array(walk.thread, np.int64)[is_host]
    begin_ns, end_ns = (np.array(times, np.int64)[is_host] for times in (walk.begin_ns, walk.end_ns))
    named = np.append(np.where(is_named(trace, STEP.pattern), NONE, trace.name), NONE)
    for own in np.unique(thread).tolist():
        here = np.flatnonzero(thread == own)[::-1]  # the walk went backwards
        path = first_come(begin_ns[here], end_ns[here], np.zeros(len(here), np.int32))
        shares = overlay(path, [graph.does[own]])
        names = named[shares.owners[1]] + 1  # NONE, as an index, is the last place
        dur_ns = np.zeros(len(trace.names) + 1, np.int64)
        np.add.at(dur_ns, names, shares.dur_ns)
        num = np.bincount(names, minlength=len(dur_ns))
        for name in np.flatnonzero(num).tolist():
            yield (trace.names[name - 1] if name else GAP), int(dur_ns[name]), int(num[name])


def step_if(trace: Trace, graph: Dependencies, rows: Rows, factor: float, *, nesting: Nesting) -> float:
    """Mean step time in ns if these events took `factor` times as long: 0 for free, 1 changes nothing.

    Args:
      rows: device events, each for itself, and host events, each with all that is inside it on its thread. Waits stay
        what they are: they end when what they wait for ends.
    """
    return Replay(trace, graph, nesting).step_ns(rows, factor)


class Replay:
    """Runs a graph again with other times; made once for several questions."""

    def __init__(self, trace: Trace, graph: Dependencies, nesting: Nesting) -> None:
        self._trace, self._graph, self._nesting = trace, graph, nesting
        causes = np.where(graph.cause == NONE, len(graph.row) + 1, graph.cause)[graph.order]
        self._order = graph.order.tolist()
        self._causes = causes.T.tolist()

    def step_ns(self, rows: Rows, factor: float) -> float:
        """See `step_if`."""
        graph, nesting = self._graph, self._nesting
        if not len(graph.steps) or not len(graph.last):
            return 0.0
        chosen = np.zeros(len(self._trace), np.bool_)
        chosen[rows] = True
        dur_ns = graph.dur_ns.astype(np.float64)
        device = graph.thread == NONE
        dur_ns[device] *= np.where(chosen[graph.row[device]], factor, 1.0)
        delay_ns = graph.delay_ns.astype(np.float64)
        if chosen[nesting.rows].any():
            chosen |= nesting.enclosing(chosen) != NONE
            delay_ns[:, WORK] += (factor - 1.0) * self._chosen_work(chosen)
        ends = self._ends(dur_ns, delay_ns)
        end_ns = max(graph.fixed_end_ns, *(ends[node] for node in graph.last.tolist()))
        return float(end_ns - graph.steps.begin_ns[0]) / len(graph.steps)

    def _chosen_work(self, chosen: Flags) -> npt.NDArray[np.float64]:
        """Of the work before each point, how long the innermost event was a chosen one; shape (G,)."""
        graph = self._graph
        work_ns = np.zeros(len(graph.row))
        worked = (graph.delay_ns[:, WORK] > 0) & (graph.cause[:, WORK] < len(graph.row))
        for thread, pieces in graph.does.items():
            if len(pieces.edges_ns):
                nodes = np.flatnonzero(worked & (graph.thread == thread))
                taken = np.where(np.append(chosen, False)[pieces.owner], np.diff(pieces.edges_ns), 0)
                until_ns = np.append(0, np.cumsum(taken))
                before, after = graph.begin_ns[graph.cause[nodes, WORK]], graph.begin_ns[nodes]
                work_ns[nodes] = np.interp(after, pieces.edges_ns, until_ns)
                work_ns[nodes] -= np.interp(before, pieces.edges_ns, until_ns)
        return work_ns

    def _ends(self, dur_ns: npt.NDArray[np.float64], delay_ns: npt.NDArray[np.float64]) -> list[float]:
        """When each node would end."""
        ends = [0.0] * (len(dur_ns) + 1) + [-float("inf")]  # the beginning of the trace, and what no node waits for
        order = self._graph.order
        columns = (*self._causes, *delay_ns[order].T.tolist(), dur_ns[order].tolist())
        for node, work, launch, stream, other, work_ns, launch_ns, stream_ns, other_ns, own_ns in zip(
            self._order, *columns, strict=True
        ):
            ends[node] = own_ns + max(
                ends[work] + work_ns, ends[launch] + launch_ns, ends[stream] + stream_ns, ends[other] + other_ns
            )
        return ends


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A name whose events might be faster.

    Attributes:
      name: of device events or of operators.
      step_ns, free_ns: mean step time as traced, and if all events of that name took no time.
    """

    name: str
    step_ns: float
    free_ns: float


def gains(trace: Trace, graph: Dependencies, path: CriticalPath, *, tree: HostTree, num: int = 5) -> tuple[WhatIf, ...]:
    """For the longest parts of the path: what a step would take if they were free; largest gain first.

    Of names on the host these are operators and spans, not Python's functions, which often hold everything.
    """
    worth = is_kind(trace, *DEVICE_KINDS, Kind.CPU_OP, Kind.ANNOTATION) & ~is_named(trace, STEP.pattern)
    numbers = {name: number for number, name in enumerate(trace.names)}
    step_ns = path.total_ns / max(path.num_steps, 1)
    replay = Replay(trace, graph, tree.nesting)
    found: dict[str, WhatIf] = {}
    for part in path.parts:
        rows = np.flatnonzero(worth & (trace.name == numbers.get(part.name, NONE)))
        if len(rows) and part.name not in found and part.where in (Where.DEVICE, Where.HOST):
            found[part.name] = WhatIf(part.name, step_ns, replay.step_ns(rows, 0.0))
        if len(found) == num + 2:
            break
    return tuple(sorted(found.values(), key=lambda one: one.free_ns)[:num])
