from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profile.analyse.events import Raw, kernel, launch, span, step

from drivetrain.core.errors import DataError
from drivetrain.profile import read_trace, trace_of
from drivetrain.profile.analyse import Difference, Part, difference, spent

LOADER = "enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__"


def recorded(name: str, ts: float, dur: float) -> Raw:
    number: Raw = {"Sequence number": int(ts)}
    return span(name, ts, dur, **number)


def training(num_steps: int, *, loader: float = 10, mm: float = 5, kernel_us: float = 8) -> list[Raw]:
    """Steps of a loader, one operator with one kernel, and a wait for it."""
    events: list[Raw] = []
    for number in range(num_steps):
        at = number * 1000
        work = at + loader
        events += [
            step(number, at, loader + mm + kernel_us + 1),
            span(LOADER, at, loader, cat="user_annotation"),
            recorded("aten::mm", work, mm),
            launch(work + 1, 1, number),
            kernel("gemm", work + mm, kernel_us, number),
            span("cudaDeviceSynchronize", work + mm, kernel_us, cat="cuda_runtime"),
        ]
    return events


def explained(before: list[Raw], after: list[Raw]) -> Difference:
    return difference(spent(trace_of(before)), spent(trace_of(after)))


def sums_to_the_whole(found: Difference) -> bool:
    return all(
        sum(part.delta_ns for part in parts) == whole.delta_ns
        for whole, parts in [(found.step, found.host), (found.step, found.device)]
        if parts
    ) and all(sum(part.delta_ns for part in phase.parts) == phase.delta_ns for phase in found.host)


def told(parts: tuple[Part, ...]) -> list[tuple[str, float]]:
    return [(part.name, part.delta_us) for part in parts if part.delta_ns]


def test_a_slower_loader_explains_a_slower_step_whatever_the_number_of_steps() -> None:
    found = explained(training(3), training(2, loader=40))
    assert found.step.delta_us == 30
    assert told(found.host) == [("loader", 30)]
    assert told(found.device) == [("idle", 30)]


def test_a_slower_kernel_is_named_on_the_device_and_as_a_wait_on_the_host() -> None:
    found = explained(training(2), training(2, kernel_us=28))
    assert told(found.device) == [("aten::mm", 20)]
    assert told(found.host) == [("other", 20)]
    assert told(found.host[0].parts) == [("cudaDeviceSynchronize", 20)]


def test_chosen_steps_are_compared_alone() -> None:
    trace = trace_of([*training(1), *training(0), step(1, 5000, 90)])
    found = difference(spent(trace, chosen=[0]), spent(trace, chosen=[1]))
    assert found.step.delta_us == 90 - 24
    assert sums_to_the_whole(found)


def test_a_trace_without_events_has_no_steps_to_compare() -> None:
    with pytest.raises(DataError, match="no steps"):
        spent(trace_of([]))


def test_traces_without_device_work_are_explained_by_the_host_alone() -> None:
    found = explained([step(0, 0, 10), span("aten::mm", 0, 5)], [step(0, 0, 20), span("aten::mm", 0, 15)])
    assert found.device == ()
    assert told(found.host) == [("forward", 10)]


events = st.lists(
    st.builds(
        span,
        st.sampled_from([LOADER, "aten::mm", "MmBackward0", "ProfilerStep#1", "x", "cudaDeviceSynchronize"]),
        st.integers(0, 50),
        st.integers(1, 30),
        st.sampled_from(["cpu_op", "user_annotation", "kernel", "cuda_runtime", "python_function"]),
        tid=st.integers(1, 2),
    ),
    min_size=1,
    max_size=15,
)


@settings(max_examples=50)
@given(events, events)
def test_any_two_traces_are_explained_to_the_last_nanosecond(before: list[Raw], after: list[Raw]) -> None:
    assert sums_to_the_whole(explained(before, after))


def test_two_real_runs_differ_by_their_loaders_first(shared_data: Path) -> None:
    with_none, with_four = (
        read_trace(next((shared_data / "kineto_resnet50" / f"num_workers_{workers}").glob("*.json.gz")))
        for workers in (0, 4)
    )
    found = difference(spent(with_none), spent(with_four))
    assert sums_to_the_whole(found)
    assert found.step.delta_us == pytest.approx(-10201.17, abs=0.01)
    assert found.host[0].name == "loader"
    assert found.host[0].delta_us < -40000
