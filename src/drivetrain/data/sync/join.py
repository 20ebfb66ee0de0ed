"""Join streams by time, never by index: each query stamp finds a reference stamp within a stated tolerance, or none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.data.arrays import Ints


@dataclass(frozen=True, eq=False)
class Joined:
    """What each query found.

    Attributes:
      index_N: into the reference as given, -1 where nothing was within the tolerance.
      offset_N_ns: reference stamp minus query stamp; 0 where nothing was found.
      num_missed: queries that found nothing.
      num_duplicates: reference stamps that repeat another; the first one recorded stands for them.
      num_backwards: reference stamps smaller than the one before; the join sorts them.
    """

    index_N: Ints
    offset_N_ns: Ints
    num_missed: int
    num_duplicates: int
    num_backwards: int


def nearest(query_t_ns: Ints, reference_t_ns: Ints, *, tolerance_ns: int) -> Joined:
    """For each query the reference stamp closest in time; of two as close, the earlier.

    Args:
      query_t_ns, reference_t_ns: int64 stamps, in any order.
      tolerance_ns: the largest distance that still counts, inclusive.
    Raises:
      TypeError: stamps that are not whole numbers (seconds as floats, NaN): convert them where they are read.
      ValueError: a negative tolerance.
    """
    order, stamps = distinct(query_t_ns, reference_t_ns, tolerance_ns)
    after = np.searchsorted(stamps, query_t_ns, side="left")
    left, right = np.maximum(after - 1, 0), np.minimum(after, max(0, len(stamps) - 1))
    if len(stamps):
        closer_left = np.abs(query_t_ns - stamps[left]) <= np.abs(stamps[right] - query_t_ns)
        after = np.where(closer_left, left, right)
    return _joined(query_t_ns, reference_t_ns, order, stamps, after, tolerance_ns)


def as_of(query_t_ns: Ints, reference_t_ns: Ints, *, tolerance_ns: int) -> Joined:
    """For each query the last reference stamp at or before it; see `nearest` for arguments and errors."""
    order, stamps = distinct(query_t_ns, reference_t_ns, tolerance_ns)
    before = np.searchsorted(stamps, query_t_ns, side="right") - 1
    return _joined(query_t_ns, reference_t_ns, order, stamps, before, tolerance_ns)


def distinct(query_t_ns: Ints, reference_t_ns: Ints, tolerance_ns: int) -> tuple[Ints, Ints]:
    """Positions of the distinct reference stamps, by time, and those stamps; checks what all joins need checked."""
    for name, stamps in (("query", query_t_ns), ("reference", reference_t_ns)):
        if not np.issubdtype(stamps.dtype, np.integer):
            raise TypeError(f"{name} stamps are {stamps.dtype}; a join takes whole nanoseconds (int64)")
    if tolerance_ns < 0:
        raise ValueError(f"tolerance_ns is {tolerance_ns}; it must be 0 or more")
    stamps, order = np.unique(reference_t_ns, return_index=True)
    return order.astype(np.int64), stamps


def _joined(
    query_t_ns: Ints, reference_t_ns: Ints, order: Ints, stamps: Ints, chosen: Ints, tolerance_ns: int
) -> Joined:
    if not len(stamps):
        missing = np.full(len(query_t_ns), -1, np.int64)
        return Joined(missing, np.zeros_like(missing), len(missing), 0, 0)
    offset_ns = stamps[np.maximum(chosen, 0)] - query_t_ns
    found = (chosen >= 0) & (np.abs(offset_ns) <= tolerance_ns)
    return Joined(
        index_N=np.where(found, order[np.maximum(chosen, 0)], -1).astype(np.int64),
        offset_N_ns=np.where(found, offset_ns, 0).astype(np.int64),
        num_missed=int((~found).sum()),
        num_duplicates=len(reference_t_ns) - len(stamps),
        num_backwards=int((np.diff(reference_t_ns) < 0).sum()),
    )
