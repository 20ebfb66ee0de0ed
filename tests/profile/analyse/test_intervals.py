from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.profile.analyse.intervals import Intervals, both, covered, either, union, without

pairs = st.lists(st.tuples(st.integers(0, 40), st.integers(-3, 12)), max_size=12)


def intervals(spans: list[tuple[int, int]]) -> Intervals:
    begin = np.array([at for at, _ in spans], np.int64)
    return union(begin, begin + np.array([length for _, length in spans], np.int64))


def bits(spans: list[tuple[int, int]]) -> np.ndarray:
    found = np.zeros(64, bool)
    for at, length in spans:
        found[at : max(at, at + length)] = True
    return found


def bits_of(found: Intervals) -> np.ndarray:
    return bits([(at, end - at) for at, end in zip(found.begin.tolist(), found.end.tolist(), strict=True)])


@given(pairs)
def test_a_union_covers_what_any_covers_and_its_intervals_are_apart_and_in_order(spans: list[tuple[int, int]]) -> None:
    found = intervals(spans)
    np.testing.assert_array_equal(bits_of(found), bits(spans))
    assert found.total == bits(spans).sum()
    assert (found.end > found.begin).all()
    assert (found.begin[1:] > found.end[:-1]).all()


@given(pairs, pairs)
def test_sets_meet_as_bits_do(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    np.testing.assert_array_equal(bits_of(both(intervals(one), intervals(other))), bits(one) & bits(other))
    np.testing.assert_array_equal(bits_of(either(intervals(one), intervals(other))), bits(one) | bits(other))
    np.testing.assert_array_equal(bits_of(without(intervals(one), intervals(other))), bits(one) & ~bits(other))


@given(pairs, st.lists(st.tuples(st.integers(0, 50), st.integers(0, 12)), max_size=6))
def test_windows_are_covered_by_as_much_as_bits_say(spans: list[tuple[int, int]], at: list[tuple[int, int]]) -> None:
    begin = np.array([start for start, _ in at], np.int64)
    end = begin + np.array([length for _, length in at], np.int64)
    counted = [bits(spans)[a:b].sum() for a, b in zip(begin.tolist(), end.tolist(), strict=True)]
    assert covered(intervals(spans), begin, end).tolist() == counted


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_touching_times_are_one_interval_and_units_stay(dtype: type) -> None:
    found = union(np.array([4, 1, 9], dtype), np.array([6, 4, 9], dtype))
    assert (found.begin.tolist(), found.end.tolist(), found.begin.dtype) == ([1], [6], dtype)
