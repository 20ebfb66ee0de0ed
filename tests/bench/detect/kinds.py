"""Kinds of series that people have, with the places of their changes: seasons, wandering noise, trends that turn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from tests.bench.detect.generated import Values, correlated

Made = tuple[Values, list[int]]
Kind = Callable[[np.random.Generator], Made]


def _places(source: np.random.Generator, num_values: int, num: int) -> list[int]:
    """Of so many changes, none near another or an end."""
    parts = source.dirichlet(np.full(num + 1, 4.0)) * 0.5 + 0.5 / (num + 1)
    return [int(at) for at in np.cumsum(parts)[:-1] * num_values]


def _steps(source: np.random.Generator, num_values: int, at: list[int], low: float, high: float) -> Values:
    levels = np.zeros(num_values)
    for one in at:
        levels[one:] += source.choice([-1, 1]) * source.uniform(low, high)
    return levels


def _season(source: np.random.Generator, num_values: int, period: int, size: float) -> Values:
    """A pattern that repeats, of no special form; its standard deviation is the size."""
    pattern = np.convolve(np.tile(source.standard_normal(period), 3), [0.25, 0.5, 0.25], "same")[period : 2 * period]
    pattern = size * (pattern - pattern.mean()) / pattern.std()
    return np.tile(pattern, num_values // period + 1)[:num_values]


def _walk(source: np.random.Generator, num_values: int) -> Values:
    return np.cumsum(source.standard_normal(num_values))


def _monthly_with_levels(source: np.random.Generator) -> Made:
    num = int(source.integers(120, 241))
    at = _places(source, num, int(source.integers(1, 3)))
    noise = correlated(source, num, 0.3)
    return _season(source, num, 12, 1.5) + _steps(source, num, at, 2.5, 4) + noise, at


def _weekly_with_level(source: np.random.Generator) -> Made:
    num = int(source.integers(100, 366))
    at = _places(source, num, 1)
    return 50 + _season(source, num, 7, 3) + _steps(source, num, at, 2, 4) + source.standard_normal(num), at


def _growing_seasons_with_fall(source: np.random.Generator) -> Made:
    num = int(source.integers(144, 361))
    at = _places(source, num, 1)
    growth = np.cumsum(source.normal(0.005, 0.01, num)) + _steps(source, num, at, 0.25, 0.4)
    return 100 * np.exp(growth + _season(source, num, 12, 0.1) + 0.02 * source.standard_normal(num)), at


def _walk_with_break(source: np.random.Generator) -> Made:
    num = int(source.integers(120, 301))
    at = _places(source, num, 1)
    slope = np.clip((np.arange(num) - at[0] + 1) / int(source.integers(1, 4)), 0, 1)
    return 100 + _walk(source, num) + source.choice([-1, 1]) * source.uniform(10, 20) * slope, at


def _rate_with_crisis(source: np.random.Generator) -> Made:
    """As a rate of exchange by month: moves hang together and have heavy tails, and for some months all go one way."""
    num = int(source.integers(180, 301))
    at = _places(source, num, 1)
    moves = np.convolve(0.02 * source.standard_t(5, num) / 1.29, [1, 0.3, 0.1])[:num]
    length = int(source.integers(2, 6))
    moves[at[0] : at[0] + length] += source.uniform(0.06, 0.12, length)
    return 80 * np.exp(np.cumsum(moves)), at


def _correlated_with_levels(source: np.random.Generator) -> Made:
    num = int(source.integers(150, 301))
    at = _places(source, num, int(source.integers(1, 3)))
    return correlated(source, num, 0.6) + _steps(source, num, at, 4, 6), at


def _trend_that_turns(source: np.random.Generator) -> Made:
    num = int(source.integers(60, 201))
    at = _places(source, num, int(source.integers(1, 3)))
    slopes = [source.uniform(-10, 10)]
    for _ in at:
        slopes.append(slopes[-1] + source.choice([-1, 1]) * source.uniform(15, 30))
    lengths = np.diff([0, *at, num])
    return np.cumsum(np.repeat(slopes, lengths)) / num * 2 + 0.5 * source.standard_normal(num), at


def _growth_with_break(source: np.random.Generator) -> Made:
    """As a yearly sum of what a country makes: it grows by turns, and once falls or begins to."""
    num = int(source.integers(40, 71))
    at = _places(source, num, 1)
    rates = 0.03 + 0.015 * correlated(source, num, 0.3)
    if source.random() < 0.5:
        rates[at[0] :] -= source.uniform(0.04, 0.06)
    else:
        rates[at[0]] -= source.uniform(0.15, 0.3)
    return 1e10 * np.exp(np.cumsum(rates)), at


def _heavy_tails_with_level(source: np.random.Generator) -> Made:
    num = int(source.integers(80, 201))
    at = _places(source, num, 1)
    return source.standard_t(3, num) + _steps(source, num, at, 2.5, 4), at


def _rounded_with_level(source: np.random.Generator) -> Made:
    num = int(source.integers(80, 201))
    at = _places(source, num, 1)
    return np.round(5 + 0.6 * source.standard_normal(num) + _steps(source, num, at, 1, 2)), at


def _few_with_level(source: np.random.Generator) -> Made:
    num = int(source.integers(20, 41))
    at = _places(source, num, 1)
    return source.standard_normal(num) + _steps(source, num, at, 4, 6), at


def _missing_with_level(source: np.random.Generator) -> Made:
    num = int(source.integers(100, 201))
    at = _places(source, num, 1)
    values = source.standard_normal(num) + _steps(source, num, at, 2, 4)
    return np.where(source.random(num) < 0.1, np.nan, values), at


def _long_with_levels(source: np.random.Generator) -> Made:
    at = _places(source, 5_000, 3)
    return correlated(source, 5_000, 0.4) + _steps(source, 5_000, at, 1.5, 2.5), at


def _independent_with_levels(source: np.random.Generator) -> Made:
    num = int(source.integers(100, 301))
    at = _places(source, num, int(source.integers(1, 4)))
    return source.standard_normal(num) + _steps(source, num, at, 2, 4), at


CHANGING: dict[str, Kind] = {
    "independent noise, levels": _independent_with_levels,
    "months, levels": _monthly_with_levels,
    "weekdays, one level": _weekly_with_level,
    "growing seasons, a fall": _growing_seasons_with_fall,
    "a random walk, a break": _walk_with_break,
    "a rate, a crisis": _rate_with_crisis,
    "correlated noise, levels": _correlated_with_levels,
    "a trend that turns": _trend_that_turns,
    "growth, a break": _growth_with_break,
    "heavy tails, one level": _heavy_tails_with_level,
    "whole numbers, one level": _rounded_with_level,
    "few values, one level": _few_with_level,
    "missing values, one level": _missing_with_level,
    "5,000 values, levels": _long_with_levels,
}


def _garch(source: np.random.Generator, num: int) -> Values:
    """Returns whose size goes in clusters."""
    values, variance = np.zeros(num), 1.0
    for at in range(1, num):
        variance = 0.05 + 0.1 * values[at - 1] ** 2 + 0.85 * variance
        values[at] = np.sqrt(variance) * source.standard_normal()
    return values


STEADY: dict[str, Callable[[np.random.Generator, int], Values]] = {
    "independent noise": lambda source, num: source.standard_normal(num),
    "first order, 0.3": lambda source, num: correlated(source, num, 0.3),
    "first order, 0.6": lambda source, num: correlated(source, num, 0.6),
    "first order, 0.9": lambda source, num: correlated(source, num, 0.9),
    "a random walk": _walk,
    "a random walk with drift": lambda source, num: _walk(source, num) + 0.3 * np.arange(num),
    "a smooth walk": lambda source, num: np.cumsum(correlated(source, num, 0.8)),
    "a walk of heavy tails": lambda source, num: np.cumsum(source.standard_t(3, num)),
    "a walk in clusters": lambda source, num: np.cumsum(_garch(source, num)),
    "a walk seen through noise": lambda source, num: 0.3 * _walk(source, num) + source.standard_normal(num),
    "seasons": lambda source, num: _season(source, num, 12, 2) + source.standard_normal(num),
    "seasons, first order, a slope": lambda source, num: (
        _season(source, num, 12, 2) + correlated(source, num, 0.5) + np.linspace(0, 8, num)
    ),
    "growing seasons": lambda source, num: np.exp(
        np.linspace(0, 2, num) + _season(source, num, 12, 0.2) + 0.05 * source.standard_normal(num)
    ),
    "growth": lambda source, num: np.exp(np.cumsum(0.03 + 0.02 * source.standard_normal(num))),
    "a slope": lambda source, num: np.linspace(0, 8, num) + source.standard_normal(num),
    "a wave": lambda source, num: 3 * np.sin(np.linspace(0, 6, num)) + source.standard_normal(num),
    "counts": lambda source, num: source.poisson(1.5, num).astype(float),
    "moving average": lambda source, num: np.convolve(source.standard_normal(num + 4), np.ones(5) / 5, "valid"),
}


CHANGING_GROUPS = {
    "independent noise": (
        "independent noise, levels",
        "heavy tails, one level",
        "whole numbers, one level",
        "few values, one level",
        "missing values, one level",
    ),
    "seasons": ("months, levels", "weekdays, one level", "growing seasons, a fall"),
    "noise that hangs together": ("correlated noise, levels", "a random walk, a break", "a rate, a crisis"),
    "trends": ("a trend that turns", "growth, a break"),
}
STEADY_GROUPS = {
    "independent noise": ("independent noise", "counts"),
    "correlated noise": ("first order, 0.3", "first order, 0.6", "first order, 0.9", "moving average"),
    "walks": (
        "a random walk",
        "a random walk with drift",
        "a smooth walk",
        "a walk of heavy tails",
        "a walk in clusters",
        "a walk seen through noise",
    ),
    "seasons and curves": (
        "seasons",
        "seasons, first order, a slope",
        "growing seasons",
        "growth",
        "a slope",
        "a wave",
    ),
}


def changing(name: str, seed: int, number: int) -> Made:
    """One series of a kind that changes, and where."""
    return CHANGING[name](np.random.default_rng([seed, list(CHANGING).index(name), number]))


def steady(name: str, seed: int, number: int, num_values: int = 200) -> Values:
    """One series of a kind that does not."""
    return STEADY[name](np.random.default_rng([seed, list(STEADY).index(name), number, num_values]), num_values)
