from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.bench.runs import measured

from drivetrain.bench.compare import Comparison, at_equal_time, compare, judge
from drivetrain.bench.stats import Interval

STILL = Interval(0.0, -0.001, 0.001)


def comparison(
    steps: tuple[float, float], loss: Interval = STILL, memory_ratio: float = 1.0, num_pairs: int = 4
) -> Comparison:
    return Comparison(
        num_pairs=num_pairs,
        step_ratio=Interval(sum(steps) / 2, *steps),
        memory_ratio=memory_ratio,
        loss_at_steps=loss,
        loss_at_time=loss,
        startup_s=0.0,
    )


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (comparison((0.7, 0.8)), "adopt"),
        (comparison((1.1, 1.2)), "slower"),
        (comparison((0.99, 1.01)), "no gain"),
        (comparison((0.8, 1.2)), "cannot tell"),
        (comparison((0.0, math.inf)), "cannot tell"),
        (comparison((0.7, 0.8), Interval(0.05, 0.03, 0.07)), "hurts the loss"),
        (comparison((0.7, 0.8), Interval(0.01, -0.03, 0.05)), "cannot tell"),
        (comparison((0.7, 0.8), Interval(math.nan, -math.inf, math.inf)), "hurts the loss"),
        (comparison((0.7, 0.8), Interval(-0.3, -0.4, -0.2)), "adopt"),
    ],
)
def test_a_change_is_judged_by_time_and_loss_never_by_speed_alone(found: Comparison, verdict: str) -> None:
    assert judge(found) == verdict


@pytest.mark.parametrize(("memory_ratio", "verdict"), [(0.6, "saves memory"), (1.0, "slower")])
def test_a_change_for_memory_may_cost_time(memory_ratio: float, verdict: str) -> None:
    assert judge(comparison((1.1, 1.3), memory_ratio=memory_ratio), "memory") == verdict


def test_a_change_without_effect_is_rarely_called_faster_or_slower() -> None:
    source = random.Random(5)
    num_tables, level = 600, 0.95
    wrong = 0
    for _ in range(num_tables):
        pairs = [
            tuple(measured(0.1 * math.exp(drift + source.gauss(0, 0.02))) for _ in range(2))
            for drift in (source.gauss(0, 0.2) for _ in range(4))
        ]
        wrong += judge(compare(pairs, level)) in ("adopt", "slower")
    assert wrong / num_tables <= (1 - level) + 3 * math.sqrt(level * (1 - level) / num_tables)


@given(st.floats(0.5, 2), st.floats(0.5, 2), st.integers(2, 6))
def test_what_all_pairs_share_is_what_is_found(time: float, loss: float, num_pairs: int) -> None:
    pairs = [(measured(0.1 * k, 1.0 * k), measured(0.1 * k * time, loss * k)) for k in range(1, num_pairs + 1)]
    found = compare(pairs, 0.95)
    assert found.num_pairs == num_pairs
    assert found.step_ratio.mid == pytest.approx(time)
    assert found.step_ratio.low == pytest.approx(time)
    assert found.loss_at_steps.mid == pytest.approx(loss - 1)
    assert found.memory_ratio == 1


@given(st.floats(0.5, 2))
def test_at_equal_time_the_faster_one_has_made_more_steps(time: float) -> None:
    plain, changed = measured(0.1), measured(0.1 * time)
    plain_loss, changed_loss = at_equal_time(plain, changed)
    assert (changed_loss <= plain_loss) if time <= 1 else (changed_loss >= plain_loss)


def test_a_loss_that_is_not_finite_is_told_as_such() -> None:
    broken = replace(measured(), closing_loss=math.nan)
    assert judge(compare([(measured(), broken)] * 3, 0.95)) == "hurts the loss"
