from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.data.sync import as_of, nearest

MS = 1_000_000
stamps = st.lists(st.integers(0, 400), max_size=30).map(lambda values: np.array(values, np.int64))


def test_camera_and_lidar_of_different_rate_and_offset_join_by_time() -> None:
    camera = np.arange(0, 1000, 100) * MS
    lidar = np.arange(50, 1000, 200) * MS
    joined = nearest(camera, lidar, tolerance_ns=60 * MS)
    assert joined.index_N.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert (np.abs(joined.offset_N_ns) == 50 * MS).all()
    assert joined.num_missed == 0


def test_as_of_never_looks_ahead() -> None:
    joined = as_of(np.array([49, 50, 51, 260]) * MS, np.array([50, 150]) * MS, tolerance_ns=60 * MS)
    assert joined.index_N.tolist() == [-1, 0, 0, -1]
    assert joined.offset_N_ns.tolist() == [0, 0, -1 * MS, 0]
    assert joined.num_missed == 2


@given(query=stamps, reference=stamps, tolerance=st.integers(0, 100))
def test_both_joins_agree_with_looking_at_every_pair(query: np.ndarray, reference: np.ndarray, tolerance: int) -> None:
    for join, allowed in ((nearest, lambda gap: True), (as_of, lambda gap: gap <= 0)):
        joined = join(query, reference, tolerance_ns=tolerance)
        for i, t in enumerate(query):
            gaps = [int(r - t) for r in reference if allowed(int(r - t)) and abs(int(r - t)) <= tolerance]
            if not gaps:
                assert joined.index_N[i] == -1
                continue
            assert reference[joined.index_N[i]] - t == joined.offset_N_ns[i]
            assert abs(int(joined.offset_N_ns[i])) == min(map(abs, gaps))
        assert joined.num_missed == int((joined.index_N < 0).sum())


def test_unsorted_and_repeated_stamps_are_joined_and_counted() -> None:
    joined = nearest(np.array([11, 29]), np.array([30, 10, 10]), tolerance_ns=5)
    assert joined.index_N.tolist() == [1, 0]
    assert (joined.num_duplicates, joined.num_backwards) == (1, 1)


@pytest.mark.parametrize("stamps", [np.array([0.5]), np.array([np.nan])])
def test_stamps_that_are_not_whole_nanoseconds_are_refused(stamps: np.ndarray) -> None:
    with pytest.raises(TypeError, match="whole nanoseconds"):
        nearest(stamps, np.array([1]), tolerance_ns=1)


def test_a_negative_tolerance_is_refused() -> None:
    with pytest.raises(ValueError, match="tolerance_ns is -1"):
        as_of(np.array([1]), np.array([1]), tolerance_ns=-1)


def test_nothing_to_join_with_is_no_error() -> None:
    assert nearest(np.array([1, 2]), np.array([], np.int64), tolerance_ns=9).num_missed == 2
