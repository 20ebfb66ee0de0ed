"""How a process's time divides into compute, exposed communication, exposed copies and idle.

The parts are disjoint: compute + exposed communication + exposed copies = busy, and busy + idle = total.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from drivetrain.profile.analyse.clock import Floats, at_us, times_us
from drivetrain.profile.analyse.host import exposed_data_wait, host_times
from drivetrain.profile.analyse.intervals import Intervals, covered, union, without
from drivetrain.profile.analyse.links import Rows, device_rows, launch_rows
from drivetrain.profile.analyse.steps import Steps, device_steps, steps
from drivetrain.profile.analyse.words import is_communication, is_copy
from drivetrain.profile.trace import NONE, Trace


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A window of time by what was done in it; microseconds, None where the trace says nothing of it.

    Attributes:
      source: whose time it is: `device`, or `host` where the trace has no device events.
      compute_us: kernels that are no communication, and sets of memory; on the host, operators.
      exposed_comm_us: communication while no compute ran.
      exposed_memcpy_us: copies while neither ran.
      busy_us: the union of all three.
      idle_us: the rest of the window.
      total_us: the window.
      total_comm_us, total_memcpy_us: with what compute hides.
      data_wait_us: of idle, while the program waited for its next batch; known of the host alone.
      num_unlaunched: device events that were left out, since their launch is not in the trace.
    """

    source: Literal["device", "host"]
    compute_us: float
    exposed_comm_us: float
    exposed_memcpy_us: float | None
    busy_us: float
    idle_us: float
    total_us: float
    total_comm_us: float
    total_memcpy_us: float | None
    data_wait_us: float | None = None
    num_unlaunched: int = 0

    @property
    def hidden_comm_share(self) -> float | None:
        """Of all communication, what ran while compute did: 0 to 1; None without any. HTA's overlap, in our units."""
        return 1 - self.exposed_comm_us / self.total_comm_us if self.total_comm_us else None


def breakdown(trace: Trace) -> Breakdown:
    """Where the process's device time went; or the host's, if no device did anything.

    Only launched device events count (all, if the trace holds no launch of any); the window is from the first one's
    begin to the last one's end. Compute is every kernel that is no communication and every memory set; communication
    and copies count while they are exposed, in this order. Devices of one process are taken together. On the host the
    window is from the first step's begin to the last one's end.
    Source: TraceLens, `GPUEventAnalyser.compute_metrics` and `get_df_gpu_timeline` (its `gpu_timeline.csv`); its
    floats' rounding of times is part of it, so that figures agree for short times too.
    """
    rows = device_rows(trace)
    return _of_device(trace, rows) if len(rows) else _of_host(trace)


def breakdown_by_device(trace: Trace) -> Mapping[int, Breakdown]:
    """The same for each accelerator that worked, by its index: for a process that drives several."""
    rows = device_rows(trace)
    devices = trace.device[rows]
    return {int(device): _of_device(trace, rows[devices == device]) for device in np.unique(devices)}


def breakdown_by_step(trace: Trace) -> tuple[Steps, tuple[Breakdown, ...]]:
    """Each step's time by what was done during it, whichever step launched it; the whole step is the window.

    Steps are those of `device_steps`: they end when the device has done what was launched in them. Without device
    events they are the host's.
    """
    found, rows = steps(trace), device_rows(trace)
    if not len(rows):
        return found, _host_parts(trace, at_us(trace, found.begin_ns), at_us(trace, found.end_ns))
    found, _ = device_steps(trace, found)
    rows, num_unlaunched = _launched(trace, rows)
    begin_us, end_us = at_us(trace, found.begin_ns), at_us(trace, found.end_ns)
    return found, _device_parts(trace, rows, times_us(trace, rows), num_unlaunched, (begin_us, end_us))


def _of_device(trace: Trace, rows: Rows) -> Breakdown:
    rows, num_unlaunched = _launched(trace, rows)
    times = times_us(trace, rows)
    window = times[0].min(keepdims=True), times[1].max(keepdims=True)
    return _device_parts(trace, rows, times, num_unlaunched, window)[0]


def _launched(trace: Trace, rows: Rows) -> tuple[Rows, int]:
    launched = launch_rows(trace, rows) != NONE
    if not launched.any():
        return rows, 0
    return rows[launched], int(np.count_nonzero(~launched))


def _device_parts(
    trace: Trace, rows: Rows, times: tuple[Floats, Floats], num_unlaunched: int, windows: tuple[Floats, Floats]
) -> tuple[Breakdown, ...]:
    comm, copy = is_communication(trace, rows), is_copy(trace, rows)
    compute, comms, copies = (union(times[0][held], times[1][held]) for held in (~comm & ~copy, comm & ~copy, copy))
    exposed_comms = without(comms, compute)
    exposed_copies = without(without(copies, compute), comms)
    return tuple(
        Breakdown(
            source="device",
            compute_us=computed,
            exposed_comm_us=exposed_comm,
            exposed_memcpy_us=exposed_copy,
            busy_us=computed + exposed_comm + exposed_copy,
            idle_us=total - (computed + exposed_comm + exposed_copy),
            total_us=total,
            total_comm_us=all_comm,
            total_memcpy_us=all_copy,
            num_unlaunched=num_unlaunched,
        )
        for computed, exposed_comm, exposed_copy, all_comm, all_copy, total in _in_each(
            windows, compute, exposed_comms, exposed_copies, comms, copies
        )
    )


def _in_each(windows: tuple[Floats, Floats], *parts: Intervals) -> Iterable[tuple[float, ...]]:
    """For each window how much of it each of these covers, and its length."""
    begin, end = windows
    return zip(*([*covered(part, begin, end).tolist()] for part in parts), (end - begin).tolist(), strict=True)


def _of_host(trace: Trace) -> Breakdown:
    found = steps(trace)
    if not len(found):
        return Breakdown("host", 0.0, 0.0, None, 0.0, 0.0, 0.0, 0.0, None, 0.0)
    window = found.begin_ns.min(keepdims=True), found.end_ns.max(keepdims=True)
    return _host_parts(trace, at_us(trace, window[0]), at_us(trace, window[1]))[0]


def _host_parts(trace: Trace, begin_us: Floats, end_us: Floats) -> tuple[Breakdown, ...]:
    times = host_times(trace)
    exposed_comms, waits = without(times.comm, times.compute), exposed_data_wait(times)
    return tuple(
        Breakdown(
            source="host",
            compute_us=computed,
            exposed_comm_us=exposed_comm,
            exposed_memcpy_us=None,
            busy_us=computed + exposed_comm,
            idle_us=total - (computed + exposed_comm),
            total_us=total,
            total_comm_us=all_comm,
            total_memcpy_us=None,
            data_wait_us=waited,
        )
        for computed, exposed_comm, all_comm, waited, total in _in_each(
            (begin_us, end_us), times.compute, exposed_comms, times.comm, waits
        )
    )
