"""Where time goes as the host sees it: all there is to see of a run on CPUs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.profile.analyse.clock import times_us
from drivetrain.profile.analyse.intervals import Intervals, either, union, without
from drivetrain.profile.analyse.links import Rows
from drivetrain.profile.analyse.words import HOST_COMMUNICATION, LOADER, flags, is_step
from drivetrain.profile.trace import Kind, Trace


@dataclass(frozen=True, slots=True, eq=False)
class HostTimes:
    """When threads of the host did what, of all threads together; on the scale of `times_us`.

    Attributes:
      compute: operators ran that neither communicate nor load data.
      comm: operators of collectives ran and, possibly, others beside them.
      data_wait: the program waited for its next batch, whatever other threads did.
    """

    compute: Intervals
    comm: Intervals
    data_wait: Intervals


def host_times(trace: Trace) -> HostTimes:
    """When the host computed, communicated and waited for data.

    Compute is the union over threads of all operators but: steps; collectives (`gloo:`, `c10d::` and the like); spans
    of a loader (`enumerate(DataLoader)#...`, `data_wait`), and operators inside one on its own thread, which load
    data and do not train. Source: PyTorch's TensorBoard plugin has the same parts by priority (`ProfileRole`); it
    counts operators of a loader on the main thread as the loader's, which is what leaving them out here gives.
    """
    operators = trace.rows(Kind.CPU_OP)
    operators = operators[~is_step(trace, operators)]
    named = np.sort(np.concatenate((operators, trace.rows(Kind.ANNOTATION))))
    loader = named[flags(trace, named, LOADER.match)]
    comm = operators[flags(trace, operators, HOST_COMMUNICATION.match)]
    others = np.setdiff1d(operators, np.concatenate((comm, loader)), assume_unique=True)
    others = others[~_inside_on_thread(trace, others, loader)]
    return HostTimes(*(union(*times_us(trace, rows)) for rows in (others, comm, loader)))


def _inside_on_thread(trace: Trace, rows: Rows, spans: Rows) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which events lie within one of these spans of the same thread; shape as rows."""
    inside = np.zeros(len(rows), np.bool_)
    for thread in np.unique(trace.thread[spans]):  # a handful: the threads that load data
        held = union(*(times[spans[trace.thread[spans] == thread]] for times in (trace.ts_ns, trace.end_ns)))
        if len(held):
            span = np.searchsorted(held.begin, trace.ts_ns[rows], side="right") - 1
            within = (span >= 0) & (trace.end_ns[rows] <= held.end[span])
            inside |= within & (trace.thread[rows] == thread)
    return inside


def exposed_data_wait(times: HostTimes) -> Intervals:
    """When the program waited for data and nothing else of it computed or communicated."""
    return without(times.data_wait, either(times.compute, times.comm))
