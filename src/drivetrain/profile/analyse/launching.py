"""Whether the host launches work fast enough: queues, delays, kernels too short to be worth a launch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.profile.analyse.idle import IdleCause, device_gaps
from drivetrain.profile.analyse.intervals import running
from drivetrain.profile.analyse.links import Rows, device_rows, launch_rows
from drivetrain.profile.trace import NONE, Ints, Kind, Trace

SHORT_NS = 10_000
"""A kernel below this is short. Source: TraceLens's default for its study of short kernels, 10 us."""

_LEAST_RUN = 10
"""A stretch is bound by the host if at least this many events in a row found the device with nothing to do."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which the host launched each piece of work only after the device was done with the one before it.

    Attributes:
      device: index of the accelerator.
      begin_ns, end_ns: from the first launch to the end of the last event.
      num_events: of the device.
      idle_ns: how long the device had nothing to do in it.
    """

    device: int
    begin_ns: int
    end_ns: int
    num_events: int
    idle_ns: int


@dataclass(frozen=True, slots=True)
class LaunchStats:
    """How device events followed their launches; times are whole ns.

    Attributes:
      num_events: device events whose launch is in the trace.
      call_ns: spent in the calls that launched them, on all threads together.
      delay_median_ns, delay_p95_ns, delay_max_ns: from the end of a launch to the begin of its work, 0 if that began
        before the call ended.
      num_kernels: of events, those that are kernels.
      num_short: of kernels, below 10 us.
      num_below_launch: of kernels, shorter than the call that launched them.
      below_launch_ns: how long these ran.
      starved_ns: devices were idle and the host had not yet begun the launch of what came next.
      latency_ns: devices were idle although it had.
      queue_mean: launches whose work had not begun, on average over the time from the first launch to the last begin.
      queue_max: at most.
      stretches: bound by the host, the longest first.
    """

    num_events: int
    call_ns: int
    delay_median_ns: int
    delay_p95_ns: int
    delay_max_ns: int
    num_kernels: int
    num_short: int
    num_below_launch: int
    below_launch_ns: int
    starved_ns: int
    latency_ns: int
    queue_mean: float
    queue_max: int
    stretches: tuple[Stretch, ...]


def launch_stats(trace: Trace) -> LaunchStats | None:
    """How well the host keeps the device busy; None if no launch of any device event is in the trace.

    Delays after HTA's `get_cuda_kernel_launch_stats`; queues after its `get_queue_length_time_series`.
    """
    rows, launches = _linked(trace, device_rows(trace))
    if not len(rows):
        return None
    delay_ns = np.maximum(trace.ts_ns[rows] - trace.end_ns[launches], 0)
    kernels = trace.kind[rows] == Kind.KERNEL
    lasted_ns, call_ns = trace.dur_ns[rows][kernels], trace.dur_ns[launches][kernels]
    below = lasted_ns < call_ns
    calls = np.unique(launches)
    gaps = device_gaps(trace)
    late = gaps.cause == IdleCause.HOST_WAIT
    starved_ns = int((trace.ts_ns[gaps.launch[late]] - gaps.begin_ns[late]).sum())
    queue = queue_length(trace, rows, launches)
    return LaunchStats(
        num_events=len(rows),
        call_ns=int(trace.dur_ns[calls].sum()),
        delay_median_ns=int(np.median(delay_ns)),
        delay_p95_ns=int(np.percentile(delay_ns, 95)),
        delay_max_ns=int(delay_ns.max()),
        num_kernels=int(np.count_nonzero(kernels)),
        num_short=int(np.count_nonzero(lasted_ns < SHORT_NS)),
        num_below_launch=int(np.count_nonzero(below)),
        below_launch_ns=int(lasted_ns[below].sum()),
        starved_ns=starved_ns,
        latency_ns=int(gaps.dur_ns.sum()) - starved_ns,
        queue_mean=queue.mean,
        queue_max=int(queue.length.max()),
        stretches=tuple(sorted(_stretches(trace), key=lambda each: each.begin_ns - each.end_ns)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class QueueLength:
    """How many launches' work had not begun, from each time to the next; shape (Q,), in order of time."""

    at_ns: Ints
    length: npt.NDArray[np.int64]

    @property
    def mean(self) -> float:
        """Over the time from the first launch to the last begin."""
        lasted_ns = np.diff(self.at_ns)
        return float((self.length[:-1] * lasted_ns).sum() / max(int(lasted_ns.sum()), 1))


def queue_length(trace: Trace, rows: Rows, launches: Rows) -> QueueLength:
    """The queue of these device events, given their launches: one more at a launch's begin, one less at its work's."""
    begun_ns = trace.ts_ns[rows]
    called_ns = np.minimum(trace.ts_ns[launches], begun_ns)  # clocks of host and device are aligned to microseconds
    change = np.repeat([1, -1], len(rows))
    return QueueLength(*running(np.concatenate((called_ns, begun_ns)), change))


def stream_queues(trace: Trace) -> Mapping[tuple[int, int], QueueLength]:
    """The queue of each stream: (device, stream) -> its length over time. Source: HTA, see `launch_stats`."""
    rows, launches = _linked(trace, device_rows(trace))
    lanes = trace.thread[rows]  # of device events: one for each stream of each device
    found = {}
    for lane in np.unique(lanes):
        held = lanes == lane
        first = rows[held][0]
        found[int(trace.device[first]), int(trace.stream[first])] = queue_length(trace, rows[held], launches[held])
    return found


def _linked(trace: Trace, rows: Rows) -> tuple[Rows, Rows]:
    launches = launch_rows(trace, rows)
    held = launches != NONE
    return rows[held], launches[held]


def _stretches(trace: Trace) -> Iterator[Stretch]:
    """Runs of device events that each ended a gap for which the host was late."""
    gaps = device_gaps(trace)
    late = gaps.cause == IdleCause.HOST_WAIT
    gap_of = np.full(len(trace), NONE, np.intp)
    gap_of[gaps.row[late]] = np.flatnonzero(late)
    all_rows, end_ns = device_rows(trace), trace.end_ns
    for device in np.unique(trace.device[all_rows]).tolist():
        rows = all_rows[trace.device[all_rows] == device]
        is_late = np.concatenate(([False], gap_of[rows] != NONE, [False]))
        edges = np.flatnonzero(is_late[1:] != is_late[:-1])
        for first, after in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            if after - first >= _LEAST_RUN:
                run = rows[first:after]
                yield Stretch(
                    device=device,
                    begin_ns=int(trace.ts_ns[gaps.launch[gap_of[run[0]]]]),
                    end_ns=int(end_ns[run].max()),
                    num_events=len(run),
                    idle_ns=int(gaps.dur_ns[gap_of[run[1:]]].sum()),
                )
