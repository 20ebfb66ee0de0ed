"""Copies between a device and pageable memory of its host, which hold up both."""

from __future__ import annotations

import re
from dataclasses import dataclass

from drivetrain.profile.analyse.intervals import covered, union, without
from drivetrain.profile.analyse.steps import begun_within
from drivetrain.profile.analyse.words import flags
from drivetrain.profile.trace import NONE, Ints, Kind, Trace

_PAGEABLE = re.compile(r"\bPageable\b|\bUnpinned\b", re.IGNORECASE)
"""As Kineto writes it: `Memcpy HtoD (Pageable -> Device)`."""


@dataclass(frozen=True, slots=True)
class PageableCopies:
    """All of a trace that begin within some windows.

    Attributes:
      num: how many.
      size_bytes: moved.
      dur_ns: their durations summed.
      exposed_ns: of the windows, while such a copy and no kernel ran.
    """

    num: int
    size_bytes: int
    dur_ns: int
    exposed_ns: int


def pageable_copies(trace: Trace, begin_ns: Ints, end_ns: Ints) -> PageableCopies:
    """What went to or from memory that is not pinned; windows do not overlap, shape (W,).

    The driver stages such copies through a buffer of its own, and the host waits for them.
    Source: CUDA C++ Programming Guide, "Page-Locked Host Memory" and "API synchronization behavior".
    """
    rows = trace.rows(Kind.MEMCPY)
    rows = begun_within(trace, rows[flags(trace, rows, _PAGEABLE.search)], begin_ns, end_ns)
    kernels = trace.rows(Kind.KERNEL)
    exposed = without(union(trace.ts_ns[rows], trace.end_ns[rows]), union(trace.ts_ns[kernels], trace.end_ns[kernels]))
    sizes = trace.size_bytes[rows]
    return PageableCopies(
        num=len(rows),
        size_bytes=int(sizes[sizes != NONE].sum()),
        dur_ns=int(trace.dur_ns[rows].sum()),
        exposed_ns=int(covered(exposed, begin_ns, end_ns).sum()),
    )
