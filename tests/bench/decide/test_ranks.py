from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.bench.decide.ranks import chance_of, fewest_for, shift_of

differences = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=9)


@settings(max_examples=60)
@given(differences)
def test_the_chance_is_that_of_all_signs_tried(values: list[float]) -> None:
    sizes = sorted(abs(value) for value in values)
    rank = {size: sum(at + 1 for at, one in enumerate(sizes) if one == size) / sizes.count(size) for size in set(sizes)}

    def balance(signs: tuple[int, ...]) -> float:
        return abs(sum(sign * rank[abs(value)] for sign, value in zip(signs, values, strict=True) if value))

    seen = balance(tuple((value > 0) - (value < 0) for value in values))
    tried = [balance(signs) for signs in itertools.product((-1, 1), repeat=len(values))]
    assert chance_of(values) == pytest.approx(sum(one >= seen - 1e-9 for one in tried) / len(tried))


def test_chances_are_those_of_the_tables() -> None:
    assert chance_of([1, 2, 3, 4, 5, 6]) == 2 / 64
    assert chance_of([-1, 2, 3, 4, 5, 6, 7, 8]) == 4 / 256
    assert chance_of([0.0] * 9) == 1.0


def test_the_exact_chance_and_the_normal_one_meet() -> None:
    source = random.Random(1)
    for _ in range(5):
        values = [source.gauss(0.25, 1) for _ in range(40)]
        exact = chance_of(values)
        assert chance_of([*values, 1e-9]) == pytest.approx(exact, rel=0.25, abs=0.003)


@settings(max_examples=40)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30), st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_intervals_hold_their_middle_and_grow_with_the_level(values: list[float], level: float) -> None:
    found, wider = shift_of(values, level), shift_of(values, 1 - (1 - level) / 3)
    assert wider.low <= found.low <= found.mid <= found.high <= wider.high
    assert min(values) <= found.mid <= max(values)


def test_intervals_are_as_sure_as_they_say() -> None:
    source = random.Random(2)
    held = sum(
        (found := shift_of([source.gauss(3, 1) for _ in range(12)], 0.9)).low <= 3 <= found.high for _ in range(600)
    )
    assert 0.88 * 600 <= held <= 0.95 * 600


def test_an_interval_leaves_out_no_change_just_where_the_test_says_so() -> None:
    source = random.Random(3)
    for num in (6, 9, 15, 30):
        for _ in range(30):
            values = [source.gauss(0.5, 1) for _ in range(num)]
            found = shift_of(values, 0.95)
            assert (found.low > 0 or found.high < 0) == (chance_of(values) <= 0.05)


def test_so_few_pairs_that_nothing_can_be_sure_have_no_bounds() -> None:
    assert shift_of([1.0, 2.0, 3.0], 0.95) == shift_of([1.0, 2.0, 3.0], 0.99)
    assert math.isinf(shift_of([1.0, 2.0, 3.0], 0.95).high)
    assert math.isfinite(shift_of([1.0] * fewest_for(0.05), 0.95).high)


def test_one_pair_that_is_far_off_moves_the_middle_little() -> None:
    assert shift_of([1.0] * 9 + [1e9], 0.9).mid == 1.0
