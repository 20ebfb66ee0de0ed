from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.bench.detect.generated import NUM_VALUES, Values, correlated, score
from tests.bench.detect.published import COAL, COAL_FELL, NILE, NILE_FELL

from drivetrain.bench.detect import FALSE_ALARMS, MIN_LENGTH, changes


def places(values: Values | list[float]) -> list[int]:
    return [change.index for change in changes(values)]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("noise", "step", "least_recall"), [(0.01, 0.02, 0.95), (0.01, 0.05, 1.0), (0.03, 0.05, 0.85)])
def test_steps_among_outliers_are_found_and_flat_series_left_alone(
    noise: float, step: float, least_recall: float, seed: int
) -> None:
    found = score(places, seed=seed, num=100, noise=noise, step=step)
    assert found.recall >= least_recall
    assert found.false_alarms <= 0.02


def test_the_nile_fell_once() -> None:
    (change,) = changes(NILE)
    assert change.index == NILE_FELL
    assert change.before == pytest.approx(1098, abs=5)
    assert change.change_pct == pytest.approx(-22, abs=1)
    assert change.low_pct is not None
    assert change.high_pct is not None
    assert change.low_pct < change.change_pct < change.high_pct < 0


def test_disasters_in_mines_became_fewer_once() -> None:
    (change,) = changes(COAL)
    assert COAL_FELL[0] <= change.index <= COAL_FELL[1]


FLAT: dict[str, Callable[[np.random.Generator, int], Values]] = {
    "normal": lambda source, num: source.standard_normal(num),
    "heavy tails": lambda source, num: source.standard_cauchy(num),
    "skewed": lambda source, num: np.exp(source.standard_normal(num)),
    "two levels at random": lambda source, num: 3.0 * (source.random(num) < 0.3) + 0.3 * source.standard_normal(num),
    "counts": lambda source, num: source.poisson(1.5, num).astype(float),
    "growing noise": lambda source, num: source.standard_normal(num) * np.linspace(1, 3, num),
    "correlated noise": lambda source, num: correlated(source, num, 0.7),
    "a random walk": lambda source, num: np.cumsum(source.standard_normal(num)),
    "a slope": lambda source, num: np.linspace(0, 8, num) + source.standard_normal(num),
    "a wave": lambda source, num: 3 * np.sin(np.linspace(0, 6, num)) + source.standard_normal(num),
    "seasons": lambda source, num: 2 * np.sin(np.arange(num) * np.pi / 6) + source.standard_normal(num),
}


@pytest.mark.parametrize("kind", FLAT)
def test_what_is_no_step_is_not_called_one(kind: str) -> None:
    found = [places(FLAT[kind](np.random.default_rng([1, number]), 200)) for number in range(12)]
    assert sum(map(bool, found)) <= 1, found


@pytest.mark.slow
@pytest.mark.parametrize("num", [30, 100, 300])
def test_independent_noise_is_given_points_no_more_often_than_stated(num: int) -> None:
    num_series = 300
    alarms = sum(bool(places(np.random.default_rng([2, n]).standard_normal(num))) for n in range(num_series))
    assert alarms <= FALSE_ALARMS * num_series


def test_a_step_on_a_slope_is_found_where_it_is() -> None:
    for number in range(5):
        values = np.linspace(0, 2, 200) + np.random.default_rng([3, number]).standard_normal(200) * 0.5
        values[120:] += 4
        assert any(abs(place - 120) <= 2 for place in places(values))


def test_several_steps_are_found_in_order_with_their_levels() -> None:
    levels = [1.0, 1.3, 1.1, 2.0]
    values = np.repeat(levels, 40) + 0.03 * np.random.default_rng(4).standard_normal(160)
    found = changes(values)
    assert [change.index for change in found] == [40, 80, 120]
    assert [change.after for change in found] == pytest.approx(levels[1:], abs=0.02)
    assert [change.before for change in found] == pytest.approx(levels[:-1], abs=0.02)
    assert found[0].num_before == found[0].num_after == 40


def test_intervals_hold_the_true_change_as_often_as_they_say() -> None:
    held = []
    for number in range(60):
        values = 10 + np.random.default_rng([5, number]).standard_normal(80)
        values[40:] += 5
        (change,) = changes(values)
        assert change.low_pct is not None
        assert change.high_pct is not None
        held.append(change.low_pct <= 50 <= change.high_pct)
    assert np.mean(held) > 0.85


def test_a_step_near_an_end_waits_for_enough_values() -> None:
    source = np.random.default_rng(6)
    values = source.standard_normal(60)
    values[-3:] += 20
    assert places(values) == []
    assert places(np.concatenate([values, 20 + source.standard_normal(4)])) == [57]
    assert places(np.concatenate([20 + source.standard_normal(MIN_LENGTH + 2), values[:-3]])) == [MIN_LENGTH + 2]


@pytest.mark.parametrize(
    "values",
    [[], [1.0], [1.0] * 9, [1.0] * 1000, [0.0] * 50, [float("nan")] * 50, [float("inf")] * 20 + [float("-inf")] * 20],
)
def test_series_without_anything_to_find_have_no_points(values: list[float]) -> None:
    assert changes(values) == ()


def test_two_exact_levels_are_told_apart() -> None:
    (change,) = changes([2.0] * 30 + [3.0] * 30)
    assert (change.index, change.before, change.after, change.change_pct) == (30, 2.0, 3.0, pytest.approx(50))


def test_a_change_of_sign_has_no_percentage() -> None:
    (change,) = changes([-1.0] * 30 + [1.0] * 30)
    assert (change.change_pct, change.low_pct, change.high_pct) == (None, None, None)


def test_values_that_are_missing_keep_their_places() -> None:
    values = np.array(NILE, dtype=float)
    holes = np.insert(values, [10, 20, 20], np.nan)
    assert places(holes) == [NILE_FELL + 3]


series = st.lists(
    st.one_of(st.floats(-1e300, 1e300), st.sampled_from([0.0, 1.0, 5.0, float("nan"), float("inf")])), max_size=60
)


@settings(max_examples=60)
@given(series)
def test_any_numbers_give_ordered_points_away_from_the_ends(values: list[float]) -> None:
    found = changes(values)
    num_finite = int(np.isfinite(np.asarray(values, dtype=float)).sum())
    assert all(change.num_before >= MIN_LENGTH and change.num_after >= MIN_LENGTH for change in found)
    assert places(values) == sorted(set(places(values)))
    assert all(0 <= change.false_alarm <= FALSE_ALARMS for change in found)
    assert len(found) * MIN_LENGTH < max(1, num_finite)


@settings(max_examples=20)
@given(st.integers(0, 1000), st.sampled_from([2.0**-20, 0.25, 1024.0, -1.0, -0.5]))
def test_units_and_direction_of_a_series_do_not_matter(seed: int, scale: float) -> None:
    source = np.random.default_rng(seed)
    values = np.repeat([1.0, 1.5], NUM_VALUES // 2) + 0.1 * source.standard_normal(NUM_VALUES)
    assert places(scale * values) == places(values)


def test_a_long_series_is_read_at_once() -> None:
    values = np.random.default_rng(8).standard_normal(20_000)
    values[5_000:] += 1
    values[15_000:] -= 2
    found = places(values)
    assert [round(place, -2) for place in found] == [5_000, 15_000]
