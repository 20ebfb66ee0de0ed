from __future__ import annotations

import numpy as np
import pytest

from drivetrain.bench.detect.season import season_of


@pytest.mark.parametrize("period", [2, 7, 12, 24])
def test_a_pattern_that_repeats_is_found_with_its_period(period: int) -> None:
    source = np.random.default_rng(period)
    pattern = 3 * source.standard_normal(period)
    values = np.tile(pattern - pattern.mean(), 200 // period) + source.standard_normal(200 // period * period)
    season = season_of(values)
    assert season.period == period
    assert season.pattern[:period] == pytest.approx(pattern - pattern.mean(), abs=1.2)
    assert np.mean(season.pattern[:period]) == pytest.approx(0, abs=1e-9)
    assert np.array_equal(season.pattern[:period], season.pattern[period : 2 * period])


@pytest.mark.parametrize("shape", ["noise", "walk", "step", "slope", "constant"])
def test_nothing_else_has_a_season(shape: str) -> None:
    noise = np.random.default_rng(1).standard_normal(150)
    made = {
        "noise": noise,
        "walk": np.cumsum(noise),
        "step": noise + 10 * (np.arange(150) >= 70),
        "slope": noise + np.arange(150),
        "constant": np.ones(150),
    }
    season = season_of(made[shape])
    assert season.period == 0
    assert not season.pattern.any()


def test_a_step_and_outliers_do_not_hide_a_season() -> None:
    source = np.random.default_rng(2)
    values = 2 * np.sin(np.arange(144) * np.pi / 6) + 0.5 * source.standard_normal(144) + 5 * (np.arange(144) >= 80)
    values[[20, 50, 111]] += 30
    assert season_of(values).period == 12


@pytest.mark.parametrize("num", [0, 1, 5, 6, 7])
def test_a_few_values_have_none(num: int) -> None:
    assert season_of(np.arange(num, dtype=float) % 2).pattern.shape == (num,)
