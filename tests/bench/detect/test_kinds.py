from __future__ import annotations

import numpy as np
import pytest
from tests.bench.detect.annotated import covering_of, f1_of
from tests.bench.detect.generated import correlated
from tests.bench.detect.kinds import CHANGING, CHANGING_GROUPS, STEADY, STEADY_GROUPS, changing, steady

from drivetrain.bench.detect import changes


def f1_and_covering(name: str, seed: int, num: int) -> tuple[float, float]:
    scores = []
    for number in range(num):
        values, marked = changing(name, seed, number)
        found = [change.index for change in changes(values)]
        scores.append((f1_of(marked, found), covering_of(marked, found, len(values))))
    f1, covering = np.mean(scores, axis=0)
    return float(f1), float(covering)


def num_alarmed(name: str, seed: int, num: int, num_values: int) -> int:
    return sum(bool(changes(steady(name, seed, number, num_values))) for number in range(num))


@pytest.mark.parametrize("name", sorted(set(CHANGING) - {"5,000 values, levels"}))
def test_changes_of_every_kind_are_found_where_they_are(name: str) -> None:
    f1, covering = f1_and_covering(name, seed=1, num=2)
    assert f1 >= 0.75
    assert covering >= 0.65


@pytest.mark.parametrize("name", ["first order, 0.6", "a random walk", "a smooth walk", "growing seasons", "a wave"])
def test_what_only_wanders_is_left_alone(name: str) -> None:
    assert num_alarmed(name, seed=2, num=4, num_values=100) == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGING)
def test_on_average_points_agree_with_the_truth(name: str) -> None:
    f1, covering = f1_and_covering(name, seed=3, num=3 if "5,000" in name else 10)
    assert f1 >= 0.75  # to find nothing is worth 0.5 to 0.67
    assert covering >= 0.7


@pytest.mark.slow
@pytest.mark.parametrize("group", STEADY_GROUPS)
def test_few_series_that_do_not_change_are_given_points(group: str) -> None:
    names = STEADY_GROUPS[group]
    alarmed = {name: num_alarmed(name, seed=4, num=10, num_values=200) for name in names}
    assert sum(alarmed.values()) <= 0.1 * 10 * len(names), alarmed


def test_every_kind_is_in_a_group() -> None:
    assert {name for names in CHANGING_GROUPS.values() for name in names} == set(CHANGING) - {"5,000 values, levels"}
    assert {name for names in STEADY_GROUPS.values() for name in names} == set(STEADY)


def months(num_years: int, level: float = 0.0) -> np.ndarray:
    source = np.random.default_rng(7)
    pattern = np.tile([3.0, 1, 0, -1, -2, -2, -1, 0, 0, 1, 1, 0], num_years)
    return 20 + pattern + correlated(source, 12 * num_years, 0.3) * 0.5 + level * (np.arange(12 * num_years) >= 66)


def test_seasons_hide_no_change_and_make_none() -> None:
    assert changes(months(12)) == ()
    (change,) = changes(months(12, level=-2.0))
    assert abs(change.index - 66) <= 2
    assert change.kind == "level"
    assert change.before == pytest.approx(20, abs=0.3)
    assert change.after == pytest.approx(18, abs=0.3)
    assert change.change_pct == pytest.approx(-10, abs=2)


def test_a_slope_that_turns_is_a_change_of_the_trend_with_both_slopes() -> None:
    source = np.random.default_rng(8)
    values = 50 + np.concatenate([0.5 * np.arange(60), 30 - 0.25 * np.arange(60)]) + source.standard_normal(120)
    (change,) = changes(values)
    assert abs(change.index - 60) <= 5
    assert change.kind == "trend"
    assert change.slope_before == pytest.approx(0.5, abs=0.05)
    assert change.slope_after == pytest.approx(-0.25, abs=0.05)
    assert change.change_pct is change.low_pct is change.high_pct is None


def test_a_random_walk_that_jumps_once_has_one_change() -> None:
    values = 100 + np.cumsum(np.random.default_rng(9).standard_normal(200))
    values[120:] += 15
    assert [change.index for change in changes(values)] == [120]


def test_the_units_of_a_wandering_series_do_not_matter() -> None:
    values, _ = changing("a random walk, a break", 1, 0)
    found = [change.index for change in changes(values)]
    assert [change.index for change in changes(1024 * values)] == found
    assert [change.index for change in changes(-values)] == [change.index for change in changes(-4 * values)]


def test_in_a_long_series_of_correlated_noise_places_are_exact() -> None:
    values = correlated(np.random.default_rng(10), 20_000, 0.5)
    values[7_000:] += 4
    assert [change.index for change in changes(values)] == [pytest.approx(7_000, abs=3)]
