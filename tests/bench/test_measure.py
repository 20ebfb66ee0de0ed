from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivetrain.bench.measure import measure
from drivetrain.core.errors import DataError
from drivetrain.core.trials import CLOSING_LOSS, PEAK_BYTES, TRAINING_LOSS
from drivetrain.ledger import Event

MS = 1_000_000


def trial(step_ms: list[int], *, wait_ms: int = 0, eval_ms: int = 0, num_ranks: int = 1) -> list[Event]:
    """The events of a trial of these steps and two closing ones."""
    events = []
    now_ns = 0

    def add(kind: str, rank: int, **fields: object) -> None:
        events.append(Event(kind, "host", now_ns, now_ns, rank, **fields))

    for step, ms in enumerate([*step_ms, 5, 5]):
        closes = step >= len(step_ms)
        for rank in range(num_ranks):
            add("end", rank, phase="data_wait")
            add("step_begin", rank, step=step)
            add("log", rank, step=step, values={CLOSING_LOSS if closes else TRAINING_LOSS: float(step + rank)})
        if eval_ms:
            add("begin", 0, phase="eval")
            now_ns += eval_ms * MS
            add("end", 0, phase="eval")
        now_ns += (ms - wait_ms) * MS
        for rank in range(num_ranks):
            add("step_end", rank, step=step)
            add("begin", rank, phase="data_wait")
        now_ns += wait_ms * MS
    for rank in range(num_ranks):
        add("log", rank, step=len(step_ms), values={PEAK_BYTES: 100.0 + rank})
    return events


@given(st.integers(5, 50), st.integers(0, 4), st.integers(0, 30), st.integers(10, 30))
def test_a_step_lasts_to_the_next_with_its_wait_and_without_evaluation(
    ms: int, wait_ms: int, eval_ms: int, num_steps: int
) -> None:
    found = measure(trial([ms] * num_steps, wait_ms=wait_ms, eval_ms=eval_ms))
    assert found.step_s == pytest.approx(ms / 1000)
    assert found.wait_share == pytest.approx(wait_ms / ms)
    assert len(found.losses) == num_steps


def test_slow_first_steps_count_as_start_up() -> None:
    found = measure(trial([500, 100, *([10] * 20)]))
    assert found.num_warmup == 2
    assert found.step_s == pytest.approx(0.010)
    assert found.startup_s == pytest.approx(0.580)


def test_losses_are_means_over_ranks_and_memory_is_that_of_the_largest() -> None:
    found = measure(trial([10] * 10, num_ranks=3))
    assert found.losses[:2] == (1.0, 2.0)
    assert found.closing_loss == 11.5
    assert found.peak_bytes == 102


def test_a_trial_that_ended_early_measured_nothing() -> None:
    with pytest.raises(DataError, match="after 2 steps"):
        measure(trial([10, 10])[:-1])
    with pytest.raises(DataError, match="after 0 steps"):
        measure([])
