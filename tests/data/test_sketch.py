from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.data.sketch import Sketch, compare

numbers = st.lists(st.floats(width=32), max_size=60)


def _same_buckets(a: Sketch, b: Sketch) -> bool:
    same = (a.low, a.high, a.num_zero, a.num_not_finite) == (b.low, b.high, b.num_zero, b.num_not_finite)
    return same and a.above == b.above and a.below == b.below and a.moments.count == b.moments.count


@given(parts=st.lists(numbers, min_size=1, max_size=4), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_merged_in_any_order_parts_give_the_sketch_of_the_whole(parts: list[list[float]], seed: int) -> None:
    whole = Sketch.of(np.array([x for part in parts for x in part], np.float64))
    merged = Sketch()
    for i in np.random.default_rng(seed).permutation(len(parts)):
        merged = merged.merge(Sketch.of(parts[i]))
    assert _same_buckets(merged, whole)
    scale = max(1.0, abs(whole.moments.mean), whole.moments.std)
    assert merged.moments.mean == pytest.approx(whole.moments.mean, abs=1e-9 * scale)
    assert merged.moments.std == pytest.approx(whole.moments.std, abs=1e-6 * scale)


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=80), share=st.floats(0, 1))
@settings(max_examples=80, deadline=None)
def test_every_quantile_is_within_one_per_cent(values: list[float], share: float) -> None:
    exact = np.quantile(values, share, method="lower")
    assert Sketch.of(values).quantile(share) == pytest.approx(exact, rel=0.0101, abs=1e-9)


@given(values=numbers)
@settings(max_examples=40, deadline=None)
def test_a_sketch_survives_json(values: list[float]) -> None:
    sketch = Sketch.of(values)
    assert Sketch.from_json(json.loads(json.dumps(sketch.to_json()))) == sketch


def test_a_million_numbers_of_any_size_stay_small() -> None:
    spread = np.random.default_rng(0).normal(0, 1, 1_000_000) * 10.0 ** np.random.default_rng(1).uniform(
        -300, 300, 1_000_000
    )
    assert len(json.dumps(Sketch.of(spread).to_json())) < 120_000


def test_numbers_that_are_not_finite_are_counted_and_in_nothing_else() -> None:
    sketch = Sketch.of(np.array([1.0, np.nan, np.inf, -np.inf, 3.0]))
    assert (sketch.num_not_finite, sketch.moments.count, sketch.moments.mean) == (3, 2, 2.0)
    assert np.isnan(Sketch().quantile(0.5))


def test_the_same_kind_of_numbers_compares_as_alike_and_shifted_ones_do_not() -> None:
    rng = np.random.default_rng(0)
    before, again, after = (Sketch.of(rng.normal(mean, 2.0, 20_000)) for mean in (10.0, 10.0, 13.0))
    assert compare(before, again).largest_gap < 0.03
    assert compare(before, again).stability < 0.01
    assert compare(before, after).largest_gap == pytest.approx(0.547, abs=0.02)  # 2 Phi(0.75) - 1
    assert compare(before, after).stability > 1
    assert np.isnan(compare(before, Sketch()).largest_gap)
