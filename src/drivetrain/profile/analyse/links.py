"""From what a device did to the call on the host that launched it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from drivetrain.profile.trace import DEVICE_KINDS, NONE, Ints, Kind, Trace

Rows = npt.NDArray[np.intp]


def device_rows(trace: Trace) -> Rows:
    """Kernels, copies and sets of memory, in order of begin; shape (D,)."""
    return trace.rows(*DEVICE_KINDS)


def is_among(ids: Ints, others: Ints) -> npt.NDArray[np.bool_]:
    """Which of these ids are among others; what `numpy.isin` says, several times sooner for ids that are far apart."""
    if not len(others):
        return np.zeros(len(ids), np.bool_)
    others = np.sort(others)
    found: npt.NDArray[np.bool_] = others[np.minimum(np.searchsorted(others, ids), len(others) - 1)] == ids
    return found


def launch_rows(trace: Trace, rows: Rows) -> Rows:
    """The call that launched each of these device events, NONE where the trace lacks it; shape as rows.

    A launch has the correlation of its work; in traces in which no call has one, its external id. Where several calls
    share one (ids are reused in long traces), it is the last that began no later than the work, or the first if none
    did.
    """
    calls = trace.rows(Kind.RUNTIME)
    column = trace.correlation if (trace.correlation[calls] != NONE).any() else trace.external
    calls = calls[column[calls] != NONE]
    wanted = column[rows]
    if not len(calls) or not len(rows):
        return np.full(len(rows), NONE, np.intp)
    calls = calls[np.argsort(column[calls], kind="stable")]
    ids = column[calls]
    place = np.minimum(np.searchsorted(ids, wanted, side="left"), len(ids) - 1)
    if (ids[1:] == ids[:-1]).any():
        place = np.maximum(place, _last_begun(trace, column, calls, rows))
    return np.where((ids[place] == wanted) & (wanted != NONE), calls[place], NONE)


def _last_begun(trace: Trace, column: Ints, calls: Rows, rows: Rows) -> Rows:
    """Place in calls (sorted by that column, then time) of each row's last call that began no later; else NONE."""
    ids = np.concatenate((column[calls], column[rows]))
    at_ns = np.concatenate((trace.ts_ns[calls], trace.ts_ns[rows]))
    is_work = np.arange(len(ids)) >= len(calls)
    order = np.lexsort((is_work, at_ns, ids))
    last = np.maximum.accumulate(np.where(is_work[order], NONE, order))
    last = np.where((last != NONE) & (ids[last] == ids[order]), last, NONE)
    found = np.empty(len(ids), np.intp)
    found[order] = last
    return found[len(calls) :]
