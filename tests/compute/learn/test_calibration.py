"""Intervals hold as often as they say, whatever comes."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.compute.learn.waiting import (
    HORIZON_S,
    MOST_PAST,
    ONE_END,
    STEP,
    Calibration,
    Estimate,
    estimate,
    played,
    widened,
)

MANY = 9000
SECONDS = st.floats(0, HORIZON_S)
MOST_SHARE = 2 * math.log1p(HORIZON_S) / STEP / MANY
"""By so much more than it says an end can have missed after so many: it is by then beyond all that can come."""


@settings(max_examples=15)
@given(st.lists(st.tuples(SECONDS, SECONDS, SECONDS), min_size=1, max_size=20), st.integers(1, 30))
def test_whatever_comes_neither_end_misses_more_often_than_it_says(
    waits: list[tuple[float, float, float]], num_at_once: int
) -> None:
    calibration, num_early, num_late = Calibration(), 0, 0
    for first in range(0, MANY, num_at_once):
        asked = [waits[at % len(waits)] for at in range(first, first + num_at_once)]
        told = [calibration.corrected(min(one[:2]), max(one[:2])) for one in asked]
        for (low_s, high_s, wait_s), told_s in zip(asked, told, strict=True):
            calibration.came_true(min(low_s, high_s), max(low_s, high_s), wait_s, told_s=told_s)
            num_early, num_late = num_early + (wait_s < told_s[0]), num_late + (wait_s > told_s[1])
    most = 1 - ONE_END + MOST_SHARE + num_at_once / MANY
    assert num_early / MANY <= most
    assert num_late / MANY <= most


def test_who_knows_what_is_told_and_waits_longer_cannot_do_so_more_often_than_it_says() -> None:
    calibration, num_late = Calibration(), 0
    for _ in range(MANY):
        told_s = calibration.corrected(100.0, 200.0)
        wait_s = min(1.01 * told_s[1] + 1.0, HORIZON_S)
        calibration.came_true(100.0, 200.0, wait_s, told_s=told_s)
        num_late += wait_s > told_s[1]
    assert num_late / MANY <= 1 - ONE_END + MOST_SHARE


def test_intervals_that_were_too_narrow_become_wider_and_too_wide_ones_narrower() -> None:
    rng = random.Random(0)
    for true_sigma in (1.0, 0.1):
        calibration, held = Calibration(), []
        for number in range(400):
            center = rng.uniform(100, 10_000)
            low_s, high_s = center / 1.5, center * 1.5
            told = calibration.corrected(low_s, high_s)
            wait_s = center * rng.lognormvariate(0, true_sigma)
            if number >= 100:
                held.append(told[0] <= wait_s <= told[1])
            calibration.came_true(low_s, high_s, wait_s, told_s=told)
        assert 0.75 < sum(held) / len(held) < 0.85


def test_intervals_hold_as_often_as_they_say_while_habits_change() -> None:
    rng, calibration, held = random.Random(3), Calibration(), []
    for number in range(1200):
        sigma = 0.2 * 1.5 ** (number // 100 % 5)  # wilder and wilder, five hundred long
        told = calibration.corrected(80.0, 120.0)
        wait_s = 100.0 * rng.lognormvariate(0, sigma)
        has_held = told[0] <= wait_s <= told[1]
        calibration.came_true(80.0, 120.0, wait_s, told_s=told)
        held.append(has_held)
    assert 0.77 < sum(held[100:]) / len(held[100:]) < 0.83


def test_a_job_that_still_waits_past_what_was_told_counts_at_once_and_but_once() -> None:
    at_once, later = Calibration(), Calibration()
    at_once.overdue()
    assert at_once.corrected(100.0, 200.0)[1] > 200.0
    assert later.corrected(100.0, 200.0) == pytest.approx((100.0, 200.0))
    at_once.came_true(100.0, 200.0, 900.0, told_s=(100.0, 200.0), was_overdue=True)
    later.came_true(100.0, 200.0, 900.0, told_s=(100.0, 200.0))
    assert at_once.corrected(100.0, 200.0) == later.corrected(100.0, 200.0)


@given(st.lists(SECONDS, min_size=1, max_size=20).map(sorted), st.integers(0, 1000))
def test_before_anything_came_true_an_interval_is_no_narrower_than_its_plays(plays: list[float], num: int) -> None:
    alone, found = played(plays), estimate(plays, num)
    assert found.p10_s <= alone.p10_s + 1e-6
    assert found.p50_s == pytest.approx(alone.p50_s)
    assert found.p90_s >= alone.p90_s - 1e-6


def test_behind_many_errors_even_out_and_a_long_wait_may_be_over_far_sooner_than_a_short_one() -> None:
    short, long = Estimate(60.0, 60.0, 60.0), Estimate(86400.0, 86400.0, 86400.0)
    behind = [widened(long, num) for num in (0, 10, 100, 1000)]
    assert behind[0].p90_s > behind[1].p90_s > behind[2].p90_s > behind[3].p90_s > long.p90_s
    assert len({one.p10_s for one in behind}) == 1
    assert behind[0].p10_s / long.p10_s < 0.3 < 0.9 < widened(short, 0).p10_s / short.p10_s


def test_no_end_comes_after_the_horizon_unless_it_was_played_so() -> None:
    calibration = Calibration()
    for _ in range(MOST_PAST):
        calibration.came_true(1.0, 2.0, HORIZON_S, told_s=(1.0, 2.0))
    assert calibration.corrected(100.0, 200.0)[1] == HORIZON_S
    assert calibration.corrected(100.0, 2 * HORIZON_S)[1] == 2 * HORIZON_S
    assert estimate([HORIZON_S / 2], 0, calibration).p90_s == HORIZON_S
