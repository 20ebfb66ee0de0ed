"""What a free slice of a device is worth."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings

from drivetrain.compute.policy.packing import WHOLE, Machine, Shape
from drivetrain.compute.policy.packing.prices import MOST_SIZES, prices_of, slice_worth


def test_halves_are_worth_halves_and_what_nobody_asks_for_nothing() -> None:
    worth = slice_worth({500: 100})
    assert worth[499] == 0
    assert abs(worth[500] - 0.5) < 1e-6
    assert worth[1000] == 1


def test_a_slot_that_leaves_nothing_of_use_costs_a_whole_device() -> None:
    worth = slice_worth({810: 100, 160: 10})
    assert abs(worth[810] - 1) < 1e-6
    assert worth[160] < 1e-6


def test_slots_that_fill_a_device_together_share_its_worth() -> None:
    worth = slice_worth({650: 100, 320: 100, 470: 50})
    assert abs(worth[650] + worth[320] - 1) < 1e-6
    assert abs(worth[470] - 0.5) < 1e-6


def test_without_shares_only_whole_devices_are_worth_anything() -> None:
    worth = slice_worth({})
    assert worth[999] == 0
    assert worth[1000] == 1


def test_a_demand_of_many_sizes_is_priced_by_the_most_frequent() -> None:
    worth = slice_worth({size: 1000 if size in (400, 500) else 1 for size in range(200, 1000)})
    assert abs(worth[500] - 0.5) < 0.01
    assert len(np.unique(worth.round(6))) <= 4 * MOST_SIZES


def test_cores_are_worth_more_the_shorter_they_are_unless_that_would_break_up_whole_nodes() -> None:
    machines, shares, cores = [Machine("n", 32_000, 1000, 2)], [Shape(4000, 1, 1, 500)] * 4, Shape(16_000, 1)
    enough, short, shorter = (prices_of(shares + [cores] * num, machines).cores[-1] for num in (0, 2, 8))
    assert 0 == enough < short < shorter
    assert prices_of([*shares, *[cores] * 8, Shape(1000, 1, 2, WHOLE)], machines).cores[-1] < short


@settings(max_examples=15)
@given(demand=st.dictionaries(st.integers(1, 999), st.integers(1, 500), min_size=1, max_size=6))
def test_longer_slices_are_worth_no_less_and_two_no_more_than_both_as_one(demand: dict[int, int]) -> None:
    worth = slice_worth(demand)
    assert worth[0] == 0
    assert worth[1000] == 1
    assert (np.diff(worth) >= 0).all()
    for one in range(0, 1001, 50):
        assert (worth[one] + worth[: 1001 - one] <= worth[one:] + 1e-6).all()
