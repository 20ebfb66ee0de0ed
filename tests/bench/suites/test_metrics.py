"""Samples become metrics, and neighbours of one side the noise floor."""

from __future__ import annotations

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


@given(st.lists(st.floats(0.5, 2), min_size=8, max_size=8), st.floats(0.1, 10))
def test_the_noise_floor_knows_neither_the_unit_nor_what_was_not_measured_side_by_side(
    values: list[float], scale: float
) -> None:
    order = turns_of(8, has_other=True)  # ABBA ABBA ABBA ABBA: B's neighbours are its samples 0-1, 2-3, 4-5, 6-7
    samples = [{"x": value} for value in values]
    floor = noise_floor(samples, order, "B")["x"]
    assert math.isclose(noise_floor([{"x": scale * value} for value in values], order, "B")["x"], floor, abs_tol=1e-9)
    paired = [{"x": value} for pair in zip(values[::2], values[1::2], strict=True) for value in (1, pair[1] / pair[0])]
    assert math.isclose(noise_floor(paired, order, "B")["x"], floor, abs_tol=1e-9)


def test_one_outlier_does_not_raise_the_noise_floor() -> None:
    calm = [{"x": 1.0 + 0.01 * (k % 2)} for k in range(20)]
    wild = [*calm[:6], {"x": 9.0}, *calm[7:]]
    order = turns_of(20, has_other=False)
    assert noise_floor(wild, order, "B") == noise_floor(calm, order, "B")


def test_too_few_neighbours_say_nothing_about_noise() -> None:
    assert noise_floor([{"x": 1.0}] * 4, "BBBB", "B") == {}
    assert noise_floor([{"x": -1.0}] * 8, "B" * 8, "B") == {}


def test_only_what_all_processes_measured_is_a_metric() -> None:
    found = metrics_of([{"wall_s": 1, "loss": 2}, {"wall_s": 3}], frozenset(), is_own=False)
    assert list(found) == ["wall_s"]
    assert found["wall_s"].samples == (1, 3)
