from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.bench.stats import num_warmup, ratio_interval, relative_change, t_interval, t_quantile, trimmed_mean

values = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20)


@pytest.mark.parametrize(
    ("level", "num_free", "expected"),
    [(0.95, 1, 12.7062), (0.95, 2, 4.3027), (0.99, 3, 5.8409), (0.95, 4, 2.7764), (0.95, 30, 2.0423), (0.5, 7, 0.7111)],
)
def test_quantiles_are_those_of_the_tables(level: float, num_free: int, expected: float) -> None:
    assert t_quantile(level, num_free) == pytest.approx(expected, abs=1e-4)


@given(st.floats(0.5, 0.999), st.integers(1, 60))
def test_more_observations_and_less_confidence_make_quantiles_smaller(level: float, num_free: int) -> None:
    assert t_quantile(level, num_free + 1) < t_quantile(level, num_free)
    assert t_quantile(level - 0.1, num_free) < t_quantile(level, num_free)


@given(values, st.floats(-100, 100), st.floats(0.1, 10))
def test_an_interval_moves_and_grows_with_its_values(values: list[float], shift: float, scale: float) -> None:
    before = t_interval(values, 0.95)
    after = t_interval([scale * value + shift for value in values], 0.95)
    assert after.mid == pytest.approx(scale * before.mid + shift, abs=1e-6)
    assert after.high - after.low == pytest.approx(scale * (before.high - before.low), abs=1e-6)


@pytest.mark.parametrize("num_pairs", [2, 4, 8])
def test_intervals_of_a_change_without_effect_cover_none_as_often_as_they_say(num_pairs: int) -> None:
    source = random.Random(num_pairs)
    num_tables, level = 1000, 0.9
    covered = sum(
        found.low <= 1 <= found.high
        for _ in range(num_tables)
        if (found := ratio_interval([source.gauss(0, 0.02) for _ in range(num_pairs)], level))
    )
    assert covered / num_tables == pytest.approx(level, abs=4 * math.sqrt(level * (1 - level) / num_tables))


def test_of_a_single_value_nothing_is_known_but_itself() -> None:
    found = t_interval([3.0], 0.95)
    assert (found.mid, found.low, found.high) == (3.0, -math.inf, math.inf)


def test_values_that_are_not_finite_give_no_interval() -> None:
    found = t_interval([1.0, math.nan], 0.95)
    assert math.isnan(found.mid)
    assert (found.low, found.high) == (-math.inf, math.inf)


@given(st.integers(0, 20), st.floats(1.5, 50), st.integers(0, 2**32))
def test_slow_leading_steps_are_found_to_be_warm_up(num_slow: int, factor: float, seed: int) -> None:
    source = random.Random(seed)
    slow = [factor * 0.1 * source.uniform(1, 1.02) for _ in range(num_slow)]
    assert num_warmup(slow + [0.1 * source.uniform(1, 1.02) for _ in range(60)]) == num_slow


@given(st.integers(10, 80), st.integers(0, 2**32))
def test_of_steps_that_are_alike_few_are_taken_for_warm_up(num_steps: int, seed: int) -> None:
    source = random.Random(seed)
    assert num_warmup([0.1 * source.uniform(1, 1.04) for _ in range(num_steps)]) == 0


def test_of_very_few_steps_none_is_dropped() -> None:
    assert num_warmup([9.0, 1.0, 1.0]) == 0
    assert num_warmup([]) == 0


@given(st.lists(st.floats(0.9, 1.1), min_size=20, max_size=40), st.floats(10, 1e6))
def test_a_trimmed_mean_does_not_follow_an_outlier(values: list[float], outlier: float) -> None:
    assert 0.9 <= trimmed_mean([*values, outlier]) <= 1.1 + 1e-9


def test_a_change_is_relative_to_the_size_of_what_was() -> None:
    assert relative_change(2.0, 3.0) == 0.5
    assert relative_change(-2.0, -1.0) == 0.5
    assert relative_change(0.0, 0.25) == 0.25
    assert math.isnan(relative_change(1.0, math.inf))
