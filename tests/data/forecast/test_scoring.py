from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.data.forecast import constant_turn_rate, constant_velocity, errors, manoeuvre_of


def _circle(speed: float, rate: float, num_past: int) -> tuple[np.ndarray, np.ndarray]:
    """History and future of a car on a circle, heading along x now."""
    t = np.arange(-num_past, 31) / 10
    if abs(rate) < 1e-9:
        place = np.stack([speed * t, 0 * t], axis=1)
    else:
        place = speed / rate * np.stack([np.sin(rate * t), 1 - np.cos(rate * t)], axis=1)
    velocity = speed * np.stack([np.cos(rate * t), np.sin(rate * t)], axis=1)
    history = np.zeros((1, 11, 5))
    history[0, -num_past - 1 :] = np.concatenate([place, velocity, np.ones((len(t), 1))], axis=1)[: num_past + 1]
    return history, place[num_past + 1 :]


@settings(max_examples=60, deadline=None)
@given(speed=st.floats(1.5, 30), rate=st.floats(-1, 1), num_past=st.integers(1, 10))
def test_constant_turn_rate_is_exact_on_a_circle_and_constant_velocity_on_a_line(
    speed: float, rate: float, num_past: int
) -> None:
    history, future = _circle(speed, rate, num_past)
    np.testing.assert_allclose(constant_turn_rate(history, 30, hz=10)[0], future, atol=1e-6)
    history, future = _circle(speed, 0.0, num_past)
    np.testing.assert_allclose(constant_velocity(history, 30, hz=10)[0], future, atol=1e-9)
    np.testing.assert_allclose(constant_turn_rate(history, 30, hz=10)[0], future, atol=1e-9)


def test_an_agent_that_stands_is_not_taken_to_turn() -> None:
    history = np.zeros((1, 11, 5))
    history[0, :, 4] = 1
    history[0, 0, 2:4], history[0, -1, 2:4] = (0.0, 0.3), (0.3, 0.0)
    np.testing.assert_allclose(constant_turn_rate(history, 30, hz=10), constant_velocity(history, 30, hz=10))


def test_errors_are_those_of_the_best_mode() -> None:
    truth = np.stack([np.arange(1.0, 4.0), np.zeros(3)], axis=1)[None]
    near_on_average = truth + np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 4.0]])
    near_at_the_end = truth + np.array([[0.0, 5.0], [0.0, 5.0], [0.0, 3.0]])
    found = errors(np.stack([near_on_average, near_at_the_end], axis=1), truth)
    assert found.min_ade_m.tolist() == [2.0]
    assert found.min_fde_m.tolist() == [3.0]
    score = found.over(np.array([True]))
    assert (score.miss_pct, score.num) == (100.0, 1)
    assert math.isnan(found.over(np.array([False])).min_ade_m)


@pytest.mark.parametrize(
    ("end", "turned_deg", "speeds", "way", "pace"),
    [
        ((30.0, 0.0), 0, (10, 10), "straight", "steady"),
        ((24.0, 0.0), 0, (10, 6), "straight", "slowing"),
        ((36.0, 0.0), 0, (10, 14), "straight", "speeding up"),
        ((20.0, 8.0), 45, (8, 8), "left turn", "steady"),
        ((20.0, -8.0), -45, (8, 8), "right turn", "steady"),
        ((30.0, 3.5), 0, (10, 10), "lane change", "steady"),
        ((30.0, 2.6), 10, (10, 10), "straight", "steady"),  # a bend, not a change of lanes
        ((0.2, 0.0), 0, (0, 0.2), "standing", "standing"),
    ],
)
def test_a_future_is_named(
    end: tuple[float, float], turned_deg: float, speeds: tuple[float, float], way: str, pace: str
) -> None:
    future = np.linspace((0.0, 0.0), end, 31)[1:]
    found = manoeuvre_of(future, math.radians(turned_deg), speeds, seconds=3.0, lane_change=None)
    assert (found.way, found.pace) == (way, pace)
