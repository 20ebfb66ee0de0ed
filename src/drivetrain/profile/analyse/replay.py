"""What a step would take if something in it took another time: the graph of causes run again.

A replay with nothing changed gives the trace's own times (depend.py says why), so its answers stand beside them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.profile.analyse.critical import CriticalPath, Where
from drivetrain.profile.analyse.depend import WORK, Dependencies
from drivetrain.profile.analyse.links import Rows
from drivetrain.profile.analyse.names import is_kind, is_named
from drivetrain.profile.analyse.nesting import Nesting
from drivetrain.profile.analyse.operators import HostTree
from drivetrain.profile.analyse.words import STEP, Flags
from drivetrain.profile.trace import DEVICE_KINDS, NONE, Kind, Trace

_NODES_AT_ONCE = 1 << 15
"""As Python's numbers, which take ten times the memory of NumPy's."""


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
        self._cause = np.where(graph.cause == NONE, len(graph.row) + 1, graph.cause)

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
        for first in range(0, len(dur_ns), _NODES_AT_ONCE):
            nodes = self._graph.order[first : first + _NODES_AT_ONCE]
            columns = (*self._cause[nodes].T.tolist(), *delay_ns[nodes].T.tolist(), dur_ns[nodes].tolist())
            for node, work, launch, stream, other, work_ns, launch_ns, stream_ns, other_ns, own_ns in zip(
                nodes.tolist(), *columns, strict=True
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
