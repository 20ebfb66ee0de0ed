"""The critical path of a trace's steps: what they took as long as they did for.

The path goes back from the end of the last step: from each node to the cause that ended last, and so on (depend.py has
the causes). Its parts follow each other without a gap, so they sum to the time from the first step's begin to the end.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.profile.analyse.depend import LAUNCH, OTHER, STREAM, WORK, Dependencies
from drivetrain.profile.analyse.links import Rows
from drivetrain.profile.analyse.names import is_named
from drivetrain.profile.analyse.pieces import first_come, overlay
from drivetrain.profile.analyse.words import GAP, STEP
from drivetrain.profile.trace import NONE, Indices, Ints, Trace


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


_WHERE = tuple(Where)
_HOST, _DEVICE, _LAUNCH = (_WHERE.index(where) for where in (Where.HOST, Where.DEVICE, Where.LAUNCH))
_OF_CAUSE = {WORK: Where.HOST, LAUNCH: Where.LAUNCH, STREAM: Where.BETWEEN, OTHER: Where.WAKING}
_BEFORE = np.array([_WHERE.index(_OF_CAUSE[cause]) for cause in sorted(_OF_CAUSE)])
"""What the time between a cause and its effect is, by kind of cause."""


@dataclass(frozen=True, slots=True, eq=False)
class _Stretches:
    """Stretches of time on the path; shape (K,) each.

    Attributes:
      where: place in `_WHERE`.
      row: of the device event or call; NONE where there is none.
      thread: NONE of device events.
    """

    where: Rows
    row: Rows
    thread: Rows
    begin_ns: Ints
    end_ns: Ints

    def only(self, keep: npt.NDArray[np.bool_]) -> _Stretches:
        each = (self.where, self.row, self.thread, self.begin_ns, self.end_ns)
        return _Stretches(*(column[keep] for column in each))


def critical_path(trace: Trace, graph: Dependencies) -> CriticalPath:
    """The path and its shares by name."""
    if not len(graph.steps) or not len(graph.last):
        return CriticalPath(0, 0, ())
    from_ns = int(graph.steps.begin_ns[0])
    total_ns = max(int(graph.end_ns[graph.last].max()), graph.fixed_end_ns) - from_ns
    path = _path(graph, from_ns)
    other = path.only(path.where != _HOST)
    names = np.append(trace.name, NONE)[other.row]  # NONE, as an index, is the last place
    shares = [
        _Shares(other.where, names, other.end_ns - other.begin_ns),
        *_host_shares(trace, graph, path.only(path.where == _HOST)),
    ]
    unseen_ns = total_ns - sum(int(each.dur_ns.sum()) for each in shares)
    if unseen_ns:
        shares.append(_Shares(np.array([_HOST]), np.array([NONE]), np.array([unseen_ns])))
    return CriticalPath(total_ns, len(graph.steps), _parts(trace, shares))


def _path(graph: Dependencies, from_ns: int) -> _Stretches:
    """Back from the last node to the first step's begin: the time before each node, then of each its own."""
    ends_ns = graph.end_ns
    ended = np.where(graph.cause == NONE, -1, ends_ns[graph.cause] + graph.delay_ns)
    kind = 3 - np.argmax(ended[:, ::-1], axis=1)
    cause = graph.cause[np.arange(len(kind)), kind]
    nodes = _walk(int(graph.last[np.argmax(ends_ns[graph.last])]), cause, ends_ns, from_ns)
    thread, begin_ns = graph.thread[nodes], graph.begin_ns[nodes]
    before = np.where((thread == NONE) & (kind[nodes] == WORK), _LAUNCH, _BEFORE[kind[nodes]])  # a launch not seen
    found = _Stretches(
        np.concatenate([before, np.full(len(nodes), _DEVICE)]),
        np.tile(graph.row[nodes], 2),
        np.tile(thread, 2),
        np.maximum(np.concatenate([ends_ns[cause[nodes]], begin_ns]), from_ns),
        np.concatenate([begin_ns, ends_ns[nodes]]),
    )
    return found.only(found.end_ns > found.begin_ns)


def _walk(last: int, cause: Rows, ends_ns: Ints, from_ns: int) -> Rows:
    """The nodes of the path that end after the first step's begin, backwards."""
    nodes, causes, ends = list[int](), cause.tolist(), ends_ns.tolist()
    node = last
    while node < len(causes) and ends[node] > from_ns:
        nodes.append(node)
        node = causes[node]
    return np.array(nodes, np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class _Shares:
    """Pieces of the path; shape (K,) each: place in `_WHERE`, name's number or NONE, length."""

    where: Rows
    name: Indices
    dur_ns: Ints


def _host_shares(trace: Trace, graph: Dependencies, path: _Stretches) -> Iterator[_Shares]:
    """The host's stretches of the path by what was innermost on their thread."""
    names = np.append(np.where(is_named(trace, STEP.pattern), NONE, trace.name), NONE)
    for own in np.unique(path.thread).tolist():
        here = np.flatnonzero(path.thread == own)[::-1]  # the path goes backwards
        window = first_come(path.begin_ns[here], path.end_ns[here], np.zeros(len(here), np.int32))
        shares = overlay(window, [graph.does[own]])
        yield _Shares(np.full(len(shares.dur_ns), _HOST), names[shares.owners[1]], shares.dur_ns)


def _parts(trace: Trace, shares: Sequence[_Shares]) -> tuple[PathPart, ...]:
    """What they sum to by kind and name, longest first."""
    where = np.concatenate([each.where for each in shares])
    name = np.concatenate([each.name for each in shares])
    num_names = len(trace.names) + 1
    kinds, which, nums = np.unique(where * num_names + name + 1, return_inverse=True, return_counts=True)
    dur_ns = np.zeros(len(kinds), np.int64)
    np.add.at(dur_ns, which, np.concatenate([each.dur_ns for each in shares]))
    names = (GAP, *trace.names)
    parts = (
        PathPart(_WHERE[kind // num_names], names[kind % num_names], dur, num)
        for kind, dur, num in zip(kinds.tolist(), dur_ns.tolist(), nums.tolist(), strict=True)
    )
    return tuple(sorted(parts, key=lambda part: (-part.dur_ns, part.name)))
