"""Samples become metrics, and neighbours of one side the noise floor."""

from __future__ import annotations

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from drivetrain.bench.suites.metrics import metrics_of, noise_floor, turns_of


@given(st.integers(1, 40))
def test_in_abba_each_side_is_as_often_first_as_second_and_drift_cancels(num_pairs: int) -> None:
    order = turns_of(2 * num_pairs, has_other=True)
    at = {side: [turn for turn, taken in enumerate(order) if taken == side] for side in "AB"}
    assert len(at["A"]) == len(at["B"]) == 2 * num_pairs
    assert sum(at["A"]) == sum(at["B"])
    assert turns_of(num_pairs, has_other=False) == "B" * num_pairs


VALUES = st.lists(st.floats(0.5, 2), min_size=3, max_size=9)


def pairs(ratios: list[float], scales: list[float]) -> list[tuple[dict[str, float], dict[str, float]]]:
    return [({"x": scale}, {"x": scale * ratio}) for ratio, scale in zip(ratios, itertools.cycle(scales), strict=False)]


@given(VALUES, VALUES)
def test_the_noise_floor_knows_nothing_but_the_ratios_of_pairs(ratios: list[float], scales: list[float]) -> None:
    for is_same in (True, False):
        floor = noise_floor(pairs(ratios, [1.0]), is_same_code=is_same)["x"]
        assert math.isclose(noise_floor(pairs(ratios, scales), is_same_code=is_same)["x"], floor, abs_tol=1e-9)


@given(VALUES, st.floats(0.5, 2))
def test_what_one_code_is_slower_than_the_other_is_no_noise(ratios: list[float], slower: float) -> None:
    floor = noise_floor(pairs(ratios, [1.0]), is_same_code=False)["x"]
    same = noise_floor(pairs([slower * ratio for ratio in ratios], [1.0]), is_same_code=False)["x"]
    assert math.isclose(floor, same, abs_tol=1e-9)
    assert noise_floor(pairs([slower] * 3, [1.0]), is_same_code=True)["x"] >= abs(math.log(slower))


def test_one_outlier_does_not_raise_the_noise_floor() -> None:
    calm = [1.01, 0.99, 1.01, 0.99, 1.01, 0.99, 1.01]
    floors = [noise_floor(pairs([*calm[:6], last], [1.0]), is_same_code=True)["x"] for last in (1.01, 9.0)]
    assert floors[1] < 1.02 * floors[0]


def test_too_few_pairs_or_values_that_have_no_ratio_say_nothing_about_noise() -> None:
    assert noise_floor(pairs([1.0, 1.0], [1.0]), is_same_code=True) == {}
    assert noise_floor(pairs([1.0, 1.0, -1.0], [1.0]), is_same_code=True) == {}
    assert noise_floor([], is_same_code=True) == {}


def test_only_what_all_processes_measured_is_a_metric() -> None:
    found = metrics_of([{"wall_s": 1, "loss": 2}, {"wall_s": 3}], frozenset(), None, is_own=False)
    assert list(found) == ["wall_s"]
    assert found["wall_s"].samples == (1, 3)
