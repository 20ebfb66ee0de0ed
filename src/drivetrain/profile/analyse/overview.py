"""A whole trace in a few hundred columns: what pictures of any trace are drawn from, however many events it has."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from drivetrain.profile.analyse.idle_by_host import phase_times
from drivetrain.profile.analyse.intervals import Intervals, covered, either, union, without
from drivetrain.profile.analyse.links import Rows, device_rows
from drivetrain.profile.analyse.pieces import Pieces
from drivetrain.profile.analyse.spans import Phase
from drivetrain.profile.analyse.words import is_communication, is_copy
from drivetrain.profile.trace import Trace

Shares = Mapping[str, npt.NDArray[np.int64]]
"""Part -> ns of it in each column; shape (C,)."""


def device_overview(trace: Trace, begin_ns: int, end_ns: int, num_columns: int) -> Mapping[int, Shares]:
    """What each accelerator did in each of equally long stretches of a window.

    Compute, communication and copies are disjoint: each is what it is while none of those before it runs.

    Returns: device index -> parts `compute`, `communication`, `copy`.
    """
    rows = device_rows(trace)
    edges = column_edges(begin_ns, end_ns, num_columns)
    return {
        int(device): {
            part: covered(times, edges[:-1], edges[1:])
            for part, times in device_parts(trace, rows[trace.device[rows] == device]).items()
        }
        for device in np.unique(trace.device[rows])
    }


def host_overview(phases: Pieces, begin_ns: int, end_ns: int, num_columns: int) -> Shares:
    """What the leading thread did in each of equally long stretches, by phase; `other` is left out."""
    edges = column_edges(begin_ns, end_ns, num_columns)
    named = (phase for phase in Phase if phase != Phase.OTHER)
    return {phase.name.lower(): covered(phase_times(phases, phase), edges[:-1], edges[1:]) for phase in named}


def column_edges(begin_ns: int, end_ns: int, num_columns: int) -> npt.NDArray[np.int64]:
    """Edges of equal stretches of a window, to the nanosecond; shape (C + 1,)."""
    return begin_ns + (end_ns - begin_ns) * np.arange(num_columns + 1, dtype=np.int64) // num_columns


def device_parts(trace: Trace, rows: Rows | None = None) -> Mapping[str, Intervals]:
    """When devices computed, communicated and copied, each while none of those before it ran.

    Args:
      rows: of device events; by default all.
    """
    rows = device_rows(trace) if rows is None else rows
    comm, copy = is_communication(trace, rows), is_copy(trace, rows)
    begin_ns, end_ns = trace.ts_ns[rows], trace.end_ns[rows]
    compute, comms, copies = (union(begin_ns[held], end_ns[held]) for held in (~comm & ~copy, comm & ~copy, copy))
    return {
        "compute": compute,
        "communication": without(comms, compute),
        "copy": without(copies, either(compute, comms)),
    }
