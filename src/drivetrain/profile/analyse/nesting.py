"""Which host event encloses which, and which of them launched what the device did."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.profile.analyse.links import Rows, device_rows, launch_rows
from drivetrain.profile.analyse.words import Flags
from drivetrain.profile.trace import NONE, Indices, Ints, Kind, Trace

HOST_KINDS = (Kind.ANNOTATION, Kind.PYTHON, Kind.CPU_OP, Kind.RUNTIME)
"""What nests on the host's threads; of equal begin and end, the earlier in this list is the outer one."""


@dataclass(frozen=True, slots=True, eq=False)
class Nesting:
    """The tree of host events of each thread.

    An event's parent is the innermost one of its thread that is open when it begins. One that outlives its parent
    (times are rounded; some annotations do overlap) is held to end with it. So the self times of an event and of all
    below it sum to its `held_ns`, exactly.

    Attributes:
      rows: host events, thread by thread, in order of begin, outer ones first; shape (H,).
      parent: row of the parent, NONE for roots and for what is no host event; shape (N,).
      depth: 0 for roots; NONE for what is no host event; shape (N,).
      held_ns: time inside its parent, of roots their duration; shape (N,).
      self_ns: of that, what no child covers; shape (N,).
    """

    rows: Rows
    parent: Indices
    depth: Indices
    held_ns: Ints
    self_ns: Ints

    def of_thread(self, trace: Trace, thread: int) -> Rows:
        """The thread's part of `rows`."""
        threads = trace.thread[self.rows]
        return self.rows[np.searchsorted(threads, thread) : np.searchsorted(threads, thread, side="right")]

    def enclosing(self, wanted: Flags) -> Indices:
        """For each event the innermost one around it, itself excluded, that is wanted; NONE where there is none.

        Args:
          wanted: shape (N,).
        Returns: rows, shape (N,).
        """
        nobody = len(wanted)
        parent = np.where(self.parent == NONE, nobody, self.parent)
        step = np.append(np.where(wanted, np.arange(nobody), parent), nobody)
        while True:  # doubling: as many turns as the depth has binary digits
            further = step[step]
            if np.array_equal(further, step):
                break
            step = further
        found = step[parent]
        return np.where(found == nobody, NONE, found).astype(np.int32)


def nest(trace: Trace) -> Nesting:
    """The nesting of all host events, by thread; complete events nest by their times."""
    rows = trace.rows(*HOST_KINDS)
    rank = np.zeros(max(Kind) + 1, np.int64)
    rank[list(HOST_KINDS)] = np.arange(len(HOST_KINDS))
    order = np.lexsort((rank[trace.kind[rows]], -trace.dur_ns[rows], trace.ts_ns[rows], trace.thread[rows]))
    rows = rows[order]
    parent = np.full(len(trace), NONE, np.int32)
    depth = np.full(len(trace), NONE, np.int32)
    held_ns = np.zeros(len(trace), np.int64)
    for part in by_thread(trace.thread[rows]):
        own = rows[part]
        begin_ns, end_ns = trace.ts_ns[own], trace.ts_ns[own] + trace.dur_ns[own]
        tree = _tree(begin_ns, end_ns) or _tree_of_overlapping(begin_ns, end_ns)
        parent[own] = np.where(tree.parent == NONE, NONE, own[tree.parent])
        depth[own] = tree.depth
        held_ns[own] = tree.end_ns - begin_ns
    self_ns = held_ns.copy()
    children = rows[parent[rows] != NONE]
    np.subtract.at(self_ns, parent[children], held_ns[children])
    return Nesting(rows, parent, depth, held_ns, self_ns)


def by_thread(threads: Indices) -> list[slice]:
    """Slices of equal values of a sorted column."""
    edges = np.flatnonzero(np.diff(threads, prepend=NONE - 1, append=NONE - 1)).tolist() if len(threads) else []
    return [slice(begin, end) for begin, end in itertools.pairwise(edges)]


@dataclass(frozen=True, slots=True, eq=False)
class _Tree:
    parent: npt.NDArray[np.int64]
    depth: npt.NDArray[np.int64]
    end_ns: Ints


def _tree(begin_ns: Ints, end_ns: Ints) -> _Tree | None:
    """The tree of one thread's events if none overlaps another without being inside it, else None.

    The depth of an event is the number of those open when it begins; its parent is the last one before it that is one
    less deep. The first event that overlaps would outlive that parent, so testing for this finds all such threads.
    """
    lasting = end_ns > begin_ns
    open_before: npt.NDArray[np.int64] = np.cumsum(lasting) - lasting
    depth = open_before - np.searchsorted(np.sort(end_ns[lasting]), begin_ns, side="right")
    num = len(begin_ns)
    places = np.arange(num)
    keys = np.sort(depth[lasting] * num + places[lasting])
    inner = depth > 0
    parent = np.full(num, NONE, np.int64)
    found = keys[np.searchsorted(keys, (depth[inner] - 1) * num + places[inner]) - 1]
    parent[inner] = found % num
    if np.any(found // num != depth[inner] - 1) or np.any(end_ns[parent[inner]] < end_ns[inner]):
        return None
    return _Tree(parent, depth, end_ns)


def _tree_of_overlapping(begin_ns: Ints, end_ns: Ints) -> _Tree:
    """The same for any events: a stack, on which one that outlives its parent is cut."""
    parent, depth, ends, stack = list[int](), list[int](), list[int](), list[int]()
    for place, (begin, end) in enumerate(zip(begin_ns.tolist(), end_ns.tolist(), strict=True)):
        while stack and ends[stack[-1]] <= begin:
            stack.pop()
        parent.append(stack[-1] if stack else NONE)
        depth.append(len(stack))
        ends.append(min(end, ends[stack[-1]]) if stack else end)
        stack.append(place)
    return _Tree(np.array(parent), np.array(depth), np.array(ends))


@dataclass(frozen=True, slots=True, eq=False)
class Launches:
    """Who asked for each device event.

    Attributes:
      events: rows of the device events, in order of begin; shape (E,).
      call: row of the runtime call with the same correlation, NONE where the trace has none; shape (E,).
      operator: row of the innermost operator around that call on its thread; without one, the operator that has the
        event's external id; NONE where neither is in the trace; shape (E,).
    """

    events: Rows
    call: Rows
    operator: Rows


def launches(trace: Trace, nesting: Nesting) -> Launches:
    """Which call and which operator launched each device event.

    Source: Kineto links a launch and its work by `correlation`, an operator and its work by `External id`.
    """
    events = device_rows(trace)
    call = launch_rows(trace, events)
    is_operator = trace.kind == Kind.CPU_OP
    around = np.append(nesting.enclosing(is_operator), NONE)[call]  # NONE, as an index, is the last place
    by_id = _by_external(trace, np.flatnonzero(is_operator), events)
    return Launches(events, call, np.where(around == NONE, by_id, around))


def _by_external(trace: Trace, operators: Rows, events: Rows) -> Rows:
    """For each event the first of the operators with its external id."""
    operators = operators[trace.external[operators] != NONE]
    ids, first = np.unique(trace.external[operators], return_index=True)
    if not len(ids):
        return np.full(len(events), NONE)
    wanted = trace.external[events]
    place = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return np.where(ids[place] == wanted, operators[first[place]], NONE)
