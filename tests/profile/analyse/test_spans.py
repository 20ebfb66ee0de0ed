from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profile.analyse.events import Raw, span, step

from drivetrain.profile import read_trace, trace_of
from drivetrain.profile.analyse import Phase, host_spans

LOADER = "enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__"


def shares_us(events: list[Raw]) -> list[dict[str, float]]:
    return [
        {phase.name.lower(): one.part_ns(phase) / 1000 for phase in Phase if one.part_ns(phase)}
        for one in host_spans(trace_of(events))
    ]


def recorded(name: str, ts: float, dur: float) -> Raw:
    number: Raw = {"Sequence number": int(ts)}
    return span(name, ts, dur, **number)


def test_a_step_is_loading_forward_backward_on_another_thread_the_optimizer_and_the_rest() -> None:
    assert shares_us(
        [
            step(0, 0, 100),
            span(LOADER, 5, 20, cat="user_annotation"),
            span("aten::to", 30, 2),
            recorded("aten::mm", 35, 5),
            recorded("aten::sum", 45, 5),
            span("autograd::engine::evaluate_function: SumBackward0", 55, 3, tid=2),
            span("autograd::engine::evaluate_function: MmBackward0", 60, 10, tid=2),
            span("Optimizer.step#SGD.step", 75, 10, cat="user_annotation"),
        ]
    ) == [{"loader": 20, "forward": 15, "backward": 15, "optimizer": 10, "other": 40}]


def test_the_same_on_one_thread_as_on_a_cpu_and_with_names_of_old() -> None:
    assert shares_us(
        [step(0, 0, 100), recorded("aten::mm", 10, 5), span("MmBackward", 20, 4), span("AddBackward0", 30, 5)]
    ) == [{"forward": 5, "backward": 15, "other": 80}]


def test_what_is_recorded_inside_an_operator_makes_it_forward() -> None:
    region = span("Torch-Compiled Region: 0/0", 10, 30)
    assert shares_us([step(0, 0, 100), region, recorded("CompiledFunction", 12, 20), span("MmBackward0", 50, 5)]) == [
        {"forward": 30, "backward": 5, "other": 65}
    ]


def test_operators_of_the_leading_thread_part_two_backwards() -> None:
    engine = "autograd::engine::evaluate_function: MmBackward0"
    assert shares_us(
        [
            step(0, 0, 100),
            recorded("aten::mm", 0, 10),
            span(engine, 20, 10),
            recorded("aten::mm", 40, 10),
            span(engine, 60, 5),
        ]
    ) == [{"forward": 20, "backward": 15, "other": 65}]


def test_what_the_program_marks_counts_and_the_innermost_mark_most() -> None:
    assert shares_us(
        [
            step(0, 0, 100),
            span("## forward ##", 0, 50, cat="user_annotation"),
            span("drivetrain data_wait", 10, 5, cat="user_annotation"),
            recorded("aten::mm", 60, 5),
        ]
    ) == [{"loader": 5, "forward": 50, "other": 45}]


def test_without_gradients_forward_is_the_modules_and_the_operators() -> None:
    assert shares_us(
        [step(0, 0, 100), span("nn.Module: Net_0", 10, 30, cat="python_function"), span("aten::mm", 12, 5)]
    ) == [{"forward": 30, "other": 70}]
    assert shares_us([step(0, 0, 100), span("aten::mm", 10, 5), span("aten::mm", 30, 5)]) == [
        {"forward": 25, "other": 75}
    ]


def test_without_steps_the_span_of_the_profiler_is_one_and_else_all_there_is() -> None:
    whole = span("PyTorch Profiler (0)", 0, 50, cat="Trace", tid=9)
    assert shares_us([whole, span(LOADER, 5, 20)]) == [{"loader": 20, "other": 30}]
    assert shares_us([span(LOADER, 5, 20)]) == [{"loader": 20}]
    assert shares_us([]) == []


names = st.sampled_from(
    [
        LOADER,
        "aten::mm",
        "MmBackward0",
        "Optimizer.step#SGD.step",
        "## forward ##",
        "## backward ##",
        "x",
        "ProfilerStep#1",
    ]
)
events = st.lists(
    st.builds(
        span,
        names,
        st.integers(0, 50),
        st.integers(0, 30),
        st.sampled_from(["cpu_op", "user_annotation", "kernel"]),
        tid=st.integers(1, 2),
    ),
    max_size=20,
)


@settings(max_examples=50)
@given(events)
def test_the_parts_sum_to_the_step_for_any_trace(found: list[Raw]) -> None:
    for one in host_spans(trace_of(found)):
        parts = [one.part_ns(phase) for phase in Phase]
        assert min(parts) >= 0
        assert sum(parts) == one.dur_ns


@pytest.mark.parametrize(("workers", "least", "most"), [(0, 0.25, 1.0), (4, 0.0, 0.02)])
def test_the_loader_of_a_real_run_takes_what_its_spans_say(
    shared_data: Path, workers: int, least: float, most: float
) -> None:
    (path,) = (shared_data / "kineto_resnet50" / f"num_workers_{workers}").glob("*.json.gz")
    trace = read_trace(path)
    found = host_spans(trace)
    is_loader = np.array([name.startswith("enumerate(DataLoader)#") for name in trace.names])[trace.name]
    assert sum(one.loader_ns for one in found) == trace.dur_ns[is_loader].sum()
    assert least <= sum(one.loader_ns for one in found) / sum(one.dur_ns for one in found) <= most
    assert all(one.forward_ns > 0 and one.backward_ns > 0 and one.optimizer_ns > 0 for one in found)
