"""HolisticTraceAnalysis's breakdowns by its own rules, to the digits it prints.

They differ from `breakdown` in what counts: HTA leaves out device events that were launched in the last profiled step
(or later) unless told to keep it, since that step's work may be cut off; it counts whole microseconds, from the first
after an event begins to the last before it ends; and by names it takes as compute whatever it does not know, such as
waits for events of other streams. With one step or none nothing is left out, launched or not.

Source: HolisticTraceAnalysis 0.5.0, `Trace._filter_irrelevant_gpu_kernels`, `round_down_time_stamps`,
`BreakdownAnalysis` and `CommunicationAnalysis`. Where several events begin in one microsecond its sort leaves their
order open; ours is by their ends, which can move a figure by a microsecond.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from drivetrain.profile.analyse.clock import times_us
from drivetrain.profile.analyse.idle import KERNEL_WAIT_NS, IdleCause, gap_causes
from drivetrain.profile.analyse.intervals import Intervals, running
from drivetrain.profile.analyse.links import Rows, is_among, launch_rows
from drivetrain.profile.analyse.words import Flags, flags
from drivetrain.profile.trace import DEVICE_KINDS, NONE, Ints, Kind, Trace

COMPUTE, COMM, MEMORY, UNNAMED = 0, 1, 2, 3
TYPES = ("COMPUTATION", "COMMUNICATION", "MEMORY")
_COMM = re.compile(r"nccl.*Kernel")
_MEMORY = re.compile(r"Memcpy|Memset|dma")
_NO_COMPUTE = re.compile(r"nccl.*Kernel|.*Memcpy|Memset|.*Sync")
_SYNCS = ("Event Sync", "Context Sync")


@dataclass(frozen=True, slots=True)
class TypeTime:
    """How long kernels of one type, or of several at once, ran: `COMPUTATION overlapping MEMORY`."""

    kernel_type: str
    sum_us: int
    pct: float


@dataclass(frozen=True, slots=True)
class StreamIdle:
    """Gaps of one stream by cause; the ratio is of all of the stream's, None if it has none."""

    stream: int
    cause: IdleCause
    idle_us: int
    ratio: float | None


@dataclass(frozen=True, slots=True)
class HtaBreakdown:
    """What HTA prints for a rank.

    Attributes:
      idle_us, compute_us, non_compute_us, total_us: `get_temporal_breakdown`; total is its `kernel_time`.
      idle_pct, compute_pct, non_compute_pct: of total, two digits.
      overlap_pct: `get_comm_comp_overlap`: of communication, what ran while compute ran; None without communication.
      kernel_types: `get_gpu_kernel_breakdown`, largest first; those of no time are left out.
      idle: `get_idle_time_breakdown`, by stream and cause; a cause that no event has is left out.
    """

    idle_us: int
    compute_us: int
    non_compute_us: int
    total_us: int
    idle_pct: float
    compute_pct: float
    non_compute_pct: float
    overlap_pct: float | None
    kernel_types: tuple[TypeTime, ...]
    idle: tuple[StreamIdle, ...]


def hta_breakdown(trace: Trace, *, include_last_step: bool = False) -> HtaBreakdown | None:
    """HTA's figures for this process; None if it keeps no device event."""
    rows = _kept(trace, include_last_step=include_last_step)
    if not len(rows):
        return None
    begin, end = _whole_us(trace, rows)
    kind = _types(trace, rows)
    merged = [_merged(begin[kind == each], end[kind == each]) for each in (COMPUTE, COMM, MEMORY)]
    busy = _merged(begin, end)
    total_us = int(busy.end[-1] - busy.begin[0])
    idle_us, compute_us = total_us - int(busy.total), int(merged[COMPUTE].total)
    rest_us = total_us - compute_us - idle_us
    return HtaBreakdown(
        idle_us=idle_us,
        compute_us=compute_us,
        non_compute_us=rest_us,
        total_us=total_us,
        idle_pct=_rounded(100 * idle_us, total_us, 2),
        compute_pct=_rounded(100 * compute_us, total_us, 2),
        non_compute_pct=_rounded(100 * rest_us, total_us, 2),
        overlap_pct=_overlap_pct(merged[COMPUTE], merged[COMM]),
        kernel_types=_type_times(merged),
        idle=tuple(_idle(trace, rows)),
    )


def _kept(trace: Trace, *, include_last_step: bool) -> Rows:
    """Events on streams that HTA analyses, in order of begin."""
    rows: Rows = np.flatnonzero(trace.kind != Kind.SPAN)
    on_stream: Flags = trace.stream[rows] != NONE
    step_names = np.array(["ProfilerStep" in name for name in trace.names], np.bool_)
    is_step = step_names[trace.name[rows]]
    if len(np.unique(trace.name[rows][is_step])) < 2:
        return rows[on_stream]
    on_device = (on_stream & (trace.correlation[rows] != NONE)) | flags(trace, rows, _SYNCS.__contains__)
    begin, end = _whole_us(trace, rows)
    marks = is_step & ~on_device
    if not marks.any():
        return rows[on_stream]
    in_time = begin <= end[marks].max() if include_last_step else begin < begin[marks].max()
    calls = ~on_device & in_time
    launched = np.zeros(len(rows), np.bool_)  # those without an id share one, to HTA
    launched[on_device] = is_among(trace.correlation[rows[on_device]], trace.correlation[rows[calls]])
    held: Flags = on_stream & (launched | calls)
    return rows[held]


def _whole_us(trace: Trace, rows: Rows) -> tuple[Ints, Ints]:
    """Whole microseconds inside each event; one without any ends before it begins."""
    begin, end = times_us(trace, rows)
    return np.ceil(begin).astype(np.int64), np.floor(end).astype(np.int64)


def _types(trace: Trace, rows: Rows) -> npt.NDArray[np.int64]:
    comm: Flags = flags(trace, rows, _COMM.match)
    memory = flags(trace, rows, _MEMORY.match)
    other = flags(trace, rows, _NO_COMPUTE.match)
    return np.select([comm, memory, other], [COMM, MEMORY, UNNAMED], default=COMPUTE)


def _merged(begin: Ints, end: Ints) -> Intervals:
    """Like `union`, but what ends before it begins stays and takes that much off the sum, as in HTA."""
    if not len(begin):
        return Intervals(begin, end)
    order = np.lexsort((end, begin))
    begin, reached = begin[order], np.maximum.accumulate(end[order])
    first = np.flatnonzero(begin[1:] > reached[:-1]) + 1
    return Intervals(begin[np.concatenate(([0], first))], reached[np.concatenate((first - 1, [len(end) - 1]))])


def _together(weights: list[tuple[Intervals, int]]) -> Iterator[tuple[int, int]]:
    """How long sets together weighed how much: (weight, us)."""
    at, weighs = running(
        np.concatenate([side for times, _ in weights for side in (times.begin, times.end)]),
        np.concatenate([np.repeat([weight, -weight], len(times)) for times, weight in weights]),
    )
    lasted = at[1:] - at[:-1]
    for weight in np.unique(weighs[:-1][lasted > 0]).tolist():
        yield weight, int(lasted[weighs[:-1] == weight].sum())


def _overlap_pct(compute: Intervals, comm: Intervals) -> float | None:
    if not len(comm):
        return None
    sums = dict(_together([(comm, 1), (compute, 2)]))
    return _rounded(100 * sums.get(3, 0), int(comm.total), 2)


def _type_times(merged: list[Intervals]) -> tuple[TypeTime, ...]:
    sums = {
        " overlapping ".join(name for bit, name in enumerate(TYPES) if weight & (1 << bit)): lasted
        for weight, lasted in _together([(times, 1 << bit) for bit, times in enumerate(merged)])
        if weight > 0
    }
    total = sum(sums.values())
    return tuple(
        TypeTime(name, lasted, _rounded(100 * lasted, total, 1))
        for name, lasted in sorted(sums.items(), key=lambda item: -item[1])
    )


def _idle(trace: Trace, rows: Rows) -> Iterator[StreamIdle]:
    rows = rows[np.isin(trace.kind[rows], DEVICE_KINDS)]
    begin, end = _whole_us(trace, rows)
    launches = launch_rows(trace, rows)
    called = np.where(launches == NONE, np.iinfo(np.int64).min, _whole_us(trace, launches)[0])
    stream = trace.stream[rows]
    order = np.lexsort((end, begin, stream))
    begin, end, called, stream = begin[order], end[order], called[order], stream[order]
    first = np.flatnonzero(np.concatenate(([True], stream[1:] != stream[:-1])))
    for start, stop in pairwise([*first.tolist(), len(rows)] if len(rows) else []):
        gap = begin[start + 1 : stop] - end[start : stop - 1]
        cause = gap_causes(gap, called[start + 1 : stop], end[start : stop - 1], KERNEL_WAIT_NS / 1000)
        cause, gap = np.append(cause, IdleCause.OTHER), np.append(gap, 0)  # the first event counts as an other of 0
        for each in IdleCause:
            if (cause == each).any():
                idle_us, all_us = int(gap[cause == each].sum()), int(gap.sum())
                yield StreamIdle(int(stream[start]), each, idle_us, _rounded(idle_us, all_us, 2) if all_us else None)


def _rounded(part: float, of: int, digits: int) -> float:
    return float(np.round(part / of, digits)) if of else 0.0
