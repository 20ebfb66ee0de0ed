from __future__ import annotations

import pytest
from tests.profile.analyse.events import kernel, launch, launched

from drivetrain.profile import trace_of
from drivetrain.profile.analyse import launch_stats, stream_queues


def test_delays_run_from_the_end_of_a_call_to_the_begin_of_its_work() -> None:
    found = launch_stats(trace_of([*launched("a", 100, 5, 1), *launched("b", 200, 50, 2, ahead=22)]))
    assert found is not None
    assert (found.delay_median_ns, found.delay_max_ns, found.call_ns) == (11_500, 20_000, 4_000)


def test_kernels_shorter_than_their_launch_are_counted() -> None:
    found = launch_stats(trace_of([launch(0, 8, 1), kernel("a", 10, 3, 1), launch(9, 8, 2), kernel("b", 20, 30, 2)]))
    assert found is not None
    assert (found.num_short, found.num_below_launch, found.below_launch_ns) == (1, 1, 3_000)


def test_idle_time_is_starved_until_the_launch_begins_and_latency_from_there() -> None:
    found = launch_stats(trace_of([launch(0, 2, 1), kernel("a", 10, 10, 1), launch(50, 2, 2), kernel("b", 56, 10, 2)]))
    assert found is not None
    assert (found.starved_ns, found.latency_ns) == (30_000, 6_000)


def test_a_queue_grows_at_launches_and_shrinks_when_work_begins() -> None:
    trace = trace_of(
        [
            *(launch(0, 1, 1), launch(10, 1, 2), launch(20, 1, 3)),
            *(kernel("a", 30, 10, 1), kernel("b", 40, 10, 2), kernel("c", 50, 10, 3, stream=8)),
        ]
    )
    found = launch_stats(trace)
    assert found is not None
    assert (found.queue_max, found.queue_mean) == (3, pytest.approx((10 * 1 + 10 * 2 + 10 * 3 + 10 * 2 + 10 * 1) / 50))
    queues = stream_queues(trace)
    assert queues[0, 7].length.tolist() == [1, 2, 1, 0]
    assert (queues[0, 8].at_ns / 1000).tolist() == [20, 50]


def test_a_run_of_late_launches_is_a_stretch_bound_by_the_host() -> None:
    late = [each for n in range(12) for each in launched("a", 1000 + 20 * n, 5, n, ahead=4)]
    queued = [each for n in range(12) for each in (launch(2000 + n, 1, 50 + n), kernel("b", 2100 + 6 * n, 5, 50 + n))]
    found = launch_stats(trace_of([*late, *queued]))
    assert found is not None
    (stretch,) = found.stretches
    assert stretch.num_events == 12  # the first ended no gap, the first that was queued did
    assert (stretch.idle_ns, stretch.device) == (10 * 15_000 + 875_000, 0)


def test_without_launches_nothing_is_said_of_them() -> None:
    assert launch_stats(trace_of([kernel("a", 10, 5, 3)])) is None
    assert stream_queues(trace_of([])) == {}
