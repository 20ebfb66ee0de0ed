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
      comm: collectives ran and, possibly, operators beside them.
      data_wait: the program waited for its next batch, whatever other threads did.
    """

    compute: Intervals
    comm: Intervals
    data_wait: Intervals


def host_times(trace: Trace) -> HostTimes:
    """When the host computed, communicated and waited for data.

    Compute is the union over threads of all operators but steps, less what their own thread spends in collectives
    (`gloo:`, `c10d::` and the like) and in a loader (`enumerate(DataLoader)#...`, `data_wait`), whose operators load
    data and do not train. Source: PyTorch's TensorBoard plugin has the same parts by priority (`ProfileRole`).
    """
    operators = trace.rows(Kind.CPU_OP)
    operators = operators[~is_step(trace, operators)]
    named = np.sort(np.concatenate((operators, trace.rows(Kind.ANNOTATION))))
    loader = named[flags(trace, named, LOADER.match)]
    comm = named[flags(trace, named, HOST_COMMUNICATION.match)]  # gloo marks what its threads do by annotations
    return HostTimes(
        _compute(trace, operators, np.concatenate((comm, loader))), _union(trace, comm), _union(trace, loader)
    )


def _compute(trace: Trace, operators: Rows, others: Rows) -> Intervals:
    """The union over threads of these operators, each thread's without its others."""
    threads = np.unique(trace.thread[others])  # a handful: those that load data or communicate
    parts = [_union(trace, operators[~np.isin(trace.thread[operators], threads)])]
    for thread in threads:
        mine, not_mine = (rows[trace.thread[rows] == thread] for rows in (operators, others))
        parts.append(without(_union(trace, mine), _union(trace, not_mine)))
    return union(np.concatenate([part.begin for part in parts]), np.concatenate([part.end for part in parts]))


def _union(trace: Trace, rows: Rows) -> Intervals:
    return union(*times_us(trace, rows))


def exposed_data_wait(times: HostTimes) -> Intervals:
    """When the program waited for data and nothing else of it computed or communicated."""
    return without(times.data_wait, either(times.compute, times.comm))
