"""What a process reports of its own calls."""

from __future__ import annotations

from drivetrain.bench.suites import sample
from drivetrain.bench.suites.counters import can_count, open_counter


def test_what_comes_before_the_times_have_settled_is_left_out() -> None:
    batches = [{"wall_s": 9.0 - turn, "cpu_s": 5.0} for turn in range(6)] + [{"wall_s": 1.0, "cpu_s": 0.5}] * 20
    found = sample._settled(batches)
    assert found["is_settled"]
    assert found["numbers"] == {"wall_s": [1.0] * 20, "cpu_s": [0.5] * 20}


def test_times_that_change_to_the_end_are_said_to() -> None:
    assert not sample._settled([{"wall_s": 50.0}] * 10 + [{"wall_s": 1.0}] * 10)["is_settled"]


def test_instructions_are_counted_or_it_is_said_that_they_are_not() -> None:
    counter = open_counter()
    assert (counter is not None) == can_count()
    if counter is not None:
        before = counter()
        assert sum(range(10_000)) > 0
        assert counter() > before
