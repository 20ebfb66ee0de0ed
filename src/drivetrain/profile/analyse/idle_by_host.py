"""What the host did while the device was idle: the question after "it is idle 40 % of the time".

Every idle nanosecond of a window has one cause, the first of these that holds:

  loader   the host was inside a call of the data loader: the batch was not there yet.
  sync     the idle stretch began while a synchronising call of the host ran, or just after: the host had let the queue
           run dry, and nothing could start before it had caught up. All of the stretch counts.
  host     an operator or a call of the device's runtime ran on some thread of the host: launching was not fast enough.
  other    no operator and no call ran anywhere: Python between them, another process, the system.

PyTorch's TensorBoard plugin gives each moment of a step to the first of kernel, memory copy, runtime, loader and
operator that runs in it. Here it is idle moments alone: a loader that works while the device does too costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.profile.analyse.intervals import Intervals, both, covered, union, without
from drivetrain.profile.analyse.links import Rows, device_rows
from drivetrain.profile.analyse.names import is_wait
from drivetrain.profile.analyse.pieces import Pieces
from drivetrain.profile.analyse.spans import Phase
from drivetrain.profile.analyse.words import is_step
from drivetrain.profile.trace import Ints, Kind, Trace

_CATCHING_UP_NS = 20_000
"""A device's clock is aligned with its host's to some microseconds; a call returns a little after what it awaits."""


@dataclass(frozen=True, slots=True, eq=False)
class IdleCauses:
    """Idle time of a process's device in each window, by cause; int64 ns, shape (W,) each. The causes sum to `idle_ns`.

    Attributes:
      idle_ns: no kernel, copy or set of memory ran.
      loader_ns: of it, in the data loader.
      sync_ns: of it, after the host had waited for the device.
      host_ns: of it, while the host worked.
      other_ns: the rest.
      loader_wait_ns: how long the host was inside the loader at all, whatever the device did; no part of the sum.
    """

    idle_ns: Ints
    loader_ns: Ints
    sync_ns: Ints
    host_ns: Ints
    other_ns: Ints
    loader_wait_ns: Ints


@dataclass(frozen=True, slots=True, eq=False)
class IdleTimes:
    """The same as times; disjoint, and together all idle times of the windows."""

    loader: Intervals
    sync: Intervals
    host: Intervals
    other: Intervals


def idle_causes(trace: Trace, phases: Pieces, begin_ns: Ints, end_ns: Ints) -> IdleCauses:
    """How long the device was idle in each window, by what the host did.

    Args:
      trace: of one process; its devices are taken as one.
      phases: of the leading thread, from `phase_pieces`.
      begin_ns, end_ns: of windows that do not overlap; shape (W,).
    """
    times = idle_times(trace, phases, begin_ns, end_ns)
    loader, sync, host, other = (
        covered(part, begin_ns, end_ns) for part in (times.loader, times.sync, times.host, times.other)
    )
    in_loader = covered(phase_times(phases, Phase.LOADER), begin_ns, end_ns)
    return IdleCauses(loader + sync + host + other, loader, sync, host, other, in_loader)


def idle_times(trace: Trace, phases: Pieces, begin_ns: Ints, end_ns: Ints) -> IdleTimes:
    """When the device was idle within these windows, by what the host did; arguments as of `idle_causes`."""
    idle = without(union(begin_ns, end_ns), _covered_by(trace, device_rows(trace)))
    in_loader = phase_times(phases, Phase.LOADER)
    calls = np.flatnonzero(is_wait(trace))
    waiting = union(trace.ts_ns[calls], trace.end_ns[calls] + _CATCHING_UP_NS)
    is_dry = covered(waiting, idle.begin, idle.begin + 1) > 0
    rest = without(_chosen(idle, ~is_dry), in_loader)
    working = _covered_by(trace, _working_rows(trace))
    return IdleTimes(
        loader=both(idle, in_loader),
        sync=without(_chosen(idle, is_dry), in_loader),
        host=both(rest, working),
        other=without(rest, working),
    )


def phase_times(phases: Pieces, phase: Phase) -> Intervals:
    """When the leading thread is in one phase."""
    own = phases.owner == phase
    return union(phases.edges_ns[:-1][own], phases.edges_ns[1:][own])


def _working_rows(trace: Trace) -> Rows:
    """What the host works on: operators and calls; old profilers write steps and optimizers as operators, too."""
    rows = trace.rows(Kind.CPU_OP, Kind.RUNTIME)
    return rows[~is_step(trace, rows)]


def _covered_by(trace: Trace, rows: Rows) -> Intervals:
    return union(trace.ts_ns[rows], trace.end_ns[rows])


def _chosen(times: Intervals, which: npt.NDArray[np.bool_]) -> Intervals:
    return Intervals(times.begin[which], times.end[which])
