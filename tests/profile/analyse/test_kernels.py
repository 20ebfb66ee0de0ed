from __future__ import annotations

from tests.profile.analyse.events import kernel

from drivetrain.profile import Kind, trace_of
from drivetrain.profile.analyse import kernel_table

TRACE = trace_of(
    [
        kernel("gemm", 10, 30),
        kernel("gemm", 50, 10, stream=8),
        kernel("relu", 70, 5),
        kernel("Memcpy HtoD", 80, 15),
    ]
)


def test_events_are_summed_by_name_the_longest_first() -> None:
    found = kernel_table(TRACE)
    assert [(each.name, each.count, each.sum_ns, each.min_ns, each.max_ns, each.mean_ns) for each in found] == [
        ("gemm", 2, 40_000, 10_000, 30_000, 20_000),
        ("Memcpy HtoD", 1, 15_000, 15_000, 15_000, 15_000),
        ("relu", 1, 5_000, 5_000, 5_000, 5_000),
    ]
    assert sum(each.share for each in found) == 1
    assert [each.kind for each in found] == [Kind.KERNEL, Kind.MEMCPY, Kind.KERNEL]


def test_streams_can_have_lines_of_their_own() -> None:
    found = kernel_table(TRACE, by_stream=True)
    assert [(each.name, each.device, each.stream, each.sum_ns) for each in found] == [
        ("gemm", 0, 7, 30_000),
        ("Memcpy HtoD", 0, 7, 15_000),
        ("gemm", 0, 8, 10_000),
        ("relu", 0, 7, 5_000),
    ]


def test_a_trace_without_device_work_has_no_lines() -> None:
    assert kernel_table(trace_of([])) == ()
