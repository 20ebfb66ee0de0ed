"""Sets of times as sorted, disjoint intervals: the arithmetic that all breakdowns are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[Any]
"""int64 ns or float64 us; one set has one unit, and sets that meet have the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """Times in [begin, end), disjoint, apart and in order; shape (K,). Make them with `union`."""

    begin: Times
    end: Times

    def __len__(self) -> int:
        return len(self.begin)

    @property
    def total(self) -> float:
        """How long all of it is, in the unit of its times."""
        return (self.end - self.begin).sum().item()  # type: ignore[no-any-return]  # NumPy's item is Any


def union(begin: Times, end: Times) -> Intervals:
    """All times that any of these covers; in any order, overlapping or empty as they may be."""
    held = end > begin
    if not held.all():
        begin, end = begin[held], end[held]
    if not len(begin):
        return Intervals(begin, end)
    if (begin[1:] < begin[:-1]).any():
        order = np.argsort(begin, kind="stable")
        begin, end = begin[order], end[order]
    reached = np.maximum.accumulate(end)
    first = np.flatnonzero(begin[1:] > reached[:-1]) + 1
    return Intervals(begin[np.concatenate(([0], first))], reached[np.concatenate((first - 1, [len(end) - 1]))])


def both(one: Intervals, other: Intervals) -> Intervals:
    """Times in one and the other."""
    return _where_weight_is(2, one, 1, other, 1)


def without(one: Intervals, other: Intervals) -> Intervals:
    """Times in one and not in the other."""
    return _where_weight_is(1, one, 1, other, 2)


def either(one: Intervals, other: Intervals) -> Intervals:
    """Times in one, the other or both."""
    return union(np.concatenate((one.begin, other.begin)), np.concatenate((one.end, other.end)))


def covered(times: Intervals, begin: Times, end: Times) -> Times:
    """How much of each window [begin, end) these times cover; windows may overlap; shape (W,)."""
    if not len(times):
        return np.zeros(len(begin), np.result_type(begin, times.begin))
    lengths = times.end - times.begin
    before = np.concatenate((np.zeros(1, lengths.dtype), np.cumsum(lengths)))
    return _covered_until(times, before, end) - _covered_until(times, before, begin)


def _covered_until(times: Intervals, before: Times, at: Times) -> Times:
    begun = np.searchsorted(times.begin, at, side="right")
    unfinished = np.maximum(times.end[np.maximum(begun - 1, 0)] - at, 0)
    return before[begun] - np.where(begun > 0, unfinished, 0)


def _where_weight_is(wanted: int, one: Intervals, weight: int, other: Intervals, other_weight: int) -> Intervals:
    if not len(one):
        return one
    at, weighs = running(
        np.concatenate((one.begin, one.end, other.begin, other.end)),
        np.repeat([weight, -weight, other_weight, -other_weight], [len(one), len(one), len(other), len(other)]),
    )
    found = weighs[:-1] == wanted
    return union(at[:-1][found], at[1:][found])


def running(at: Times, change: npt.NDArray[np.int64]) -> tuple[Times, npt.NDArray[np.int64]]:
    """When something changes and by how much, in any order -> the times in order, and what it is from each on."""
    order = np.argsort(at, kind="stable")
    return at[order], np.cumsum(change[order])
