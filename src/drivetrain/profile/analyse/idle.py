"""Why a device idles: the host was late, kernels follow one another with small gaps, or something else."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from drivetrain.profile.analyse.intervals import Times
from drivetrain.profile.analyse.links import Rows, device_rows, launch_rows
from drivetrain.profile.trace import NONE, Indices, Ints, Trace

KERNEL_WAIT_NS = 30_000
"""Gaps shorter than this between queued kernels are the device's own overhead. Source: HTA's default, 30 us."""


class IdleCause(enum.IntEnum):
    """Why nothing ran before an event."""

    HOST_WAIT = 0  # its launch began after the work before it had ended: the host was late
    KERNEL_WAIT = 1  # it was queued in time and began soon
    OTHER = 2  # it was queued in time and began late: it waited for another stream or a copy


def gap_causes(gap: Times, launched: Times, ended: Times, threshold: float) -> npt.NDArray[np.int64]:
    """Cause of each gap, given when the next event was launched and the one before it ended; one unit for all.

    A launch of which nothing is known is a time before every other. Source: HTA, `_analyze_idle_time_for_stream`.
    """
    late = launched > ended
    return np.where(late, IdleCause.HOST_WAIT, np.where(gap < threshold, IdleCause.KERNEL_WAIT, IdleCause.OTHER))


@dataclass(frozen=True, slots=True, eq=False)
class Gaps:
    """Times in which a device (or a stream) had begun and did nothing, in order of time; shape (G,) each.

    Attributes:
      device, stream: of the event that ended the gap.
      begin_ns, dur_ns: of the gap.
      cause: an `IdleCause`.
      row: of the event that ended it, in the trace.
      launch: row of its launch, or NONE.
    """

    device: Indices
    stream: Indices
    begin_ns: Ints
    dur_ns: Ints
    cause: npt.NDArray[np.int64]
    row: Rows
    launch: Rows

    def __len__(self) -> int:
        return len(self.row)

    def by_cause_ns(self) -> dict[IdleCause, int]:
        """How long the gaps of each cause are together."""
        sums = np.bincount(self.cause, weights=self.dur_ns, minlength=len(IdleCause))
        return {cause: int(sums[cause]) for cause in IdleCause}


def device_gaps(trace: Trace) -> Gaps:
    """When each device had nothing to do between its first and last event, and why.

    A gap is a time in which no stream of the device works; the event that ends it names the cause.
    """
    return _gaps(trace, device_rows(trace), by_stream=False)


def stream_gaps(trace: Trace) -> Gaps:
    """The same for each stream by itself: gaps of one stream in which others may well work."""
    return _gaps(trace, device_rows(trace), by_stream=True)


def _gaps(trace: Trace, rows: Rows, *, by_stream: bool) -> Gaps:
    lane = np.zeros(len(rows), np.int64) + trace.device[rows]
    if by_stream:
        lane = lane * (2**32) + trace.stream[rows]
    order = np.argsort(lane, kind="stable")  # rows are in order of begin already
    rows, lane = rows[order], lane[order]
    begin_ns = trace.ts_ns[rows]
    reached_ns = _reached(lane, trace.end_ns[rows])
    same = lane[1:] == lane[:-1]
    found = np.flatnonzero(same & (begin_ns[1:] > reached_ns[:-1])) + 1
    ended_ns = reached_ns[found - 1]
    launches = launch_rows(trace, rows[found])
    gap_ns = begin_ns[found] - ended_ns
    launched_ns = np.where(launches == NONE, np.iinfo(np.int64).min, trace.ts_ns[launches])
    cause = gap_causes(gap_ns, launched_ns, ended_ns, KERNEL_WAIT_NS)
    order = np.argsort(ended_ns, kind="stable")
    found = found[order]
    return Gaps(
        device=trace.device[rows[found]],
        stream=trace.stream[rows[found]],
        begin_ns=ended_ns[order],
        dur_ns=gap_ns[order],
        cause=cause[order],
        row=rows[found],
        launch=launches[order],
    )


def _reached(lane: npt.NDArray[np.int64], end_ns: Ints) -> Ints:
    """The latest end so far in each lane (lanes are together); shape as given."""
    if not len(lane):
        return end_ns
    number = np.cumsum(np.concatenate(([0], lane[1:] != lane[:-1])))
    span = int(end_ns.max()) + 1
    reached_ns: Ints = np.maximum.accumulate(end_ns + number * span) - number * span
    return reached_ns
