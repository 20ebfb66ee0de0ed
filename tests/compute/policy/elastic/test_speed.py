"""A speed fitted to what was measured, and the rules that share GPUs out by it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.compute.policy.elastic.made import BATCH, CLUSTER, FITTED, SEEN, SPEED, measured

from drivetrain.compute.policy.elastic.kernels.fitting import misfit
from drivetrain.compute.policy.elastic.kernels.sharing import in_turn, share_out
from drivetrain.compute.policy.elastic.kernels.step import best_batch, step_s
from drivetrain.compute.policy.elastic.sizes import sizes_of
from drivetrain.compute.policy.elastic.speed import batch_array, fit, speed_array

SIZES_S = sizes_of(CLUSTER)


def test_a_fitted_speed_tells_sizes_and_batches_that_were_not_measured() -> None:
    for nodes, gpus, local in ((1, 3, 200), (2, 8, 512), (4, 16, 300)):
        true_s = step_s(speed_array(SPEED), nodes, gpus, local, 0)
        assert step_s(speed_array(FITTED), nodes, gpus, local, 0) == pytest.approx(true_s, rel=0.06)


def test_what_was_not_seen_is_taken_to_be_free() -> None:
    one = fit(measured((1, 1, 128)))
    assert one.across_nodes_s < 1e-6
    assert one.in_node_s < 1e-6
    seen_s = step_s(speed_array(SPEED), 1, 1, 128, 0)
    assert step_s(speed_array(one), 1, 1, 128, 0) == pytest.approx(seen_s, rel=1e-3)


def test_the_gradient_of_the_misfit_is_its_slope() -> None:
    rows = np.array([(m.num_nodes, m.num_gpus, m.local_batch, m.step_s - m.sync_s, m.step_s) for m in SEEN])
    at = np.array([0.05, 0.001, 0.02, 0.004, 0.03, 0.002, 1.5])
    _, slope = misfit(at, rows)
    for k in range(7):
        step = np.zeros(7)
        step[k] = 1e-6 * at[k]
        above, below = misfit(at + step, rows)[0], misfit(at - step, rows)[0]
        assert slope[k] == pytest.approx((above - below) / (2 * step[k]), rel=1e-4, abs=1e-6)


def test_a_noisier_gradient_asks_for_a_larger_batch() -> None:
    calm, noisy = (
        best_batch(speed_array(SPEED), 1.0, variance, batch_array(BATCH), 1, 4) for variance in (1.0, 1000.0)
    )
    assert calm[1] * (calm[2] + 1) < noisy[1] * (noisy[2] + 1)


@settings(max_examples=100)
@given(st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_shares_stay_within_what_each_may_have_and_what_there_is(num_jobs: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    time_JS = (
        1000
        / np.maximum(SIZES_S, 0.5) ** chance.uniform(0.1, 1.2, (num_jobs, 1))
        * chance.uniform(1, 50, (num_jobs, 1))
    )
    time_JS[:, 0] = np.inf
    least_J = chance.integers(0, 2, num_jobs)
    most_J = least_J + chance.integers(0, len(SIZES_S) - 1, num_jobs)
    value_JS = np.where(np.isinf(time_JS), 0.0, time_JS**-0.6)
    for chosen_J in (
        share_out(value_JS, least_J, most_J, SIZES_S, 16),
        in_turn(time_JS, time_JS.min(axis=1), least_J, most_J, SIZES_S, 16, 0.5),
    ):
        assert (least_J <= chosen_J).all()
        assert (chosen_J <= most_J).all()
        assert SIZES_S[chosen_J].sum() <= 16


def test_a_size_that_is_slower_than_a_smaller_one_is_passed_over() -> None:
    value_JS = np.array([[0.0, 1.0, 2.0, 1.5, 4.0, 4.1, 4.2]])
    assert share_out(value_JS, np.array([0]), np.array([6]), SIZES_S, 8).tolist() == [4]
