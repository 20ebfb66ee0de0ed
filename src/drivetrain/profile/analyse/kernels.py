"""What a device ran, by name: how often, how long."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.profile.analyse.links import Rows, device_rows
from drivetrain.profile.trace import Ints, Kind, Trace


@dataclass(frozen=True, slots=True)
class KernelLine:
    """Device events of one name, and of one stream where lines are by stream.

    Attributes:
      name: as the trace has it, arguments and all.
      kind: kernel, copy or set of memory.
      device, stream: None where the line is of all.
      count: of events.
      sum_ns, min_ns, max_ns: of their durations, overlapping or not.
      share: 0 to 1: of the sum of all lines.
    """

    name: str
    kind: Kind
    device: int | None
    stream: int | None
    count: int
    sum_ns: int
    min_ns: int
    max_ns: int
    share: float

    @property
    def mean_ns(self) -> float:
        """Of one event."""
        return self.sum_ns / self.count


def kernel_table(trace: Trace, rows: Rows | None = None, *, by_stream: bool = False) -> tuple[KernelLine, ...]:
    """Device events by name, the longest together first; durations as the trace has them, each event whole.

    Args:
      rows: of device events; by default all, launched in the trace or not.
      by_stream: a line for each stream of each device that ran it, too.
    Source: HTA's `get_gpu_kernel_breakdown` and TraceLens's `kernel_summary` sum the same way, launched events alone.
    """
    rows = device_rows(trace) if rows is None else rows
    if not len(rows):
        return ()
    told_apart = (trace.name, trace.kind, trace.device, trace.stream) if by_stream else (trace.name, trace.kind)
    order, first = _groups([column[rows].astype(np.int64) for column in told_apart])
    lasted_ns = trace.dur_ns[rows][order]
    sums_ns = np.add.reduceat(lasted_ns, first)
    total_ns = max(int(sums_ns.sum()), 1)
    found = [
        KernelLine(
            name=trace.names[trace.name[row]],
            kind=Kind(trace.kind[row]),
            device=int(trace.device[row]) if by_stream else None,
            stream=int(trace.stream[row]) if by_stream else None,
            count=count,
            sum_ns=sum_ns,
            min_ns=min_ns,
            max_ns=max_ns,
            share=sum_ns / total_ns,
        )
        for row, count, sum_ns, min_ns, max_ns in zip(
            rows[order][first].tolist(),
            np.diff(first, append=len(rows)).tolist(),
            sums_ns.tolist(),
            np.minimum.reduceat(lasted_ns, first).tolist(),
            np.maximum.reduceat(lasted_ns, first).tolist(),
            strict=True,
        )
    ]
    return tuple(sorted(found, key=lambda line: (-line.sum_ns, line.name)))


def _groups(columns: list[Ints]) -> tuple[Rows, Rows]:
    """An order that brings together what is alike in all columns, and where in it each group begins."""
    order = np.lexsort(columns[::-1])
    changes = np.any([column[order][1:] != column[order][:-1] for column in columns], axis=0)
    return order, np.concatenate(([0], np.flatnonzero(changes) + 1))
