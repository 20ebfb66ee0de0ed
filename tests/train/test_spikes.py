"""Which losses are out of the ordinary."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.train.spikes import WARMUP, WINDOW, Spikes


def curve(seed: int, num: int, *, noise: float, tail: bool = False) -> np.ndarray:
    """A training loss: falls as a power of the step, with relative noise that is normal, or has heavier tails."""
    generator = np.random.default_rng(seed)
    draws = generator.standard_t(5, num) * math.sqrt(3 / 5) if tail else generator.standard_normal(num)
    return (0.2 + 3.0 * (1 + np.arange(num) / 50) ** -0.7) * np.exp(noise * draws)


def alarms(losses: np.ndarray, sigmas: float) -> list[int]:
    spikes, found = Spikes(sigmas), []
    for index, loss in enumerate(losses):
        if loss > spikes.limit:
            found.append(index)
        else:
            spikes.add(float(loss))
    return found


@pytest.mark.parametrize(("sigmas", "tail", "most"), [(6, False, 1), (8, False, 0), (8, True, 40)])
def test_noisy_falling_curves_seldom_alarm(sigmas: float, tail: bool, most: int) -> None:
    """At most so many in 20,000 steps of ten curves, at noise of 2 to 30 %."""
    found = [alarms(curve(seed, 2000, noise=0.02 + 0.03 * seed, tail=tail), sigmas) for seed in range(10)]
    assert sum(map(len, found)) <= most


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.15), st.integers(WARMUP, 300), st.sampled_from([6.0, 8.0]))
def test_a_loss_ten_times_too_high_is_caught_once_there_is_something_to_judge_by(seed, noise, at, sigmas) -> None:
    losses = curve(seed, at + 1, noise=noise)
    losses[at] *= 10
    assert at in alarms(losses, sigmas)


@given(st.lists(st.floats(-100, 100), min_size=WARMUP, max_size=3 * WINDOW))
def test_the_limit_depends_on_the_last_losses_alone_and_lies_above_their_median(losses: list[float]) -> None:
    spikes, fresh, loaded = Spikes(6.0), Spikes(6.0), Spikes(6.0)
    for loss in losses:
        spikes.add(loss)
    for loss in losses[-WINDOW:]:
        fresh.add(loss)
    loaded.load(spikes.state())
    assert spikes.limit == fresh.limit == loaded.limit
    assert spikes.limit >= np.float32(np.median(losses[-WINDOW:]))


def test_before_the_first_losses_nothing_is_a_spike() -> None:
    spikes = Spikes(6.0)
    for _ in range(WARMUP - 1):
        spikes.add(1.0)
        assert spikes.limit == math.inf
    spikes.add(1.0)
    assert spikes.limit < 1.01
