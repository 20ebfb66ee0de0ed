from __future__ import annotations

from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profile.analyse.events import Raw, kernel, launch, span, step

from drivetrain.profile import read_trace, trace_of
from drivetrain.profile.analyse import (
    CriticalPath,
    Where,
    critical_path,
    dependencies,
    gains,
    host_steps,
    host_tree,
    replay,
    step_if,
)
from drivetrain.profile.trace import DEVICE_KINDS, Kind, Trace


def path_of(trace: Trace) -> CriticalPath:
    return critical_path(trace, dependencies(trace))


def parts_us(events: list[Raw]) -> dict[tuple[str, str], float]:
    return {(part.where.value, part.name): part.dur_ns / 1000 for part in path_of(trace_of(events)).parts}


def step_us_if(events: list[Raw], name: str, factor: float) -> float:
    trace = trace_of(events)
    tree = host_tree(trace)
    rows = np.flatnonzero(trace.name == trace.names.index(name))
    return step_if(trace, dependencies(trace, tree=tree), rows, factor, nesting=tree.nesting) / 1000


WAIT = "cudaDeviceSynchronize"
BOUND_BY_DEVICE = [
    step(1, 0, 100),
    span("aten::mm", 5, 10),
    launch(6, 1, 1),
    kernel("gemm", 10, 60, 1),
    span("aten::add", 20, 10),
    launch(21, 1, 2),
    kernel("add", 72, 8, 2),
    span(WAIT, 40, 45, cat="cuda_runtime"),
]


def test_where_the_host_waits_the_path_goes_over_the_device() -> None:
    assert parts_us(BOUND_BY_DEVICE) == {
        ("host", "Python and gaps"): 20,
        ("host", "aten::mm"): 1,
        ("launch", "gemm"): 4,
        ("device", "gemm"): 60,
        ("between", "add"): 2,
        ("device", "add"): 8,
        ("waking", WAIT): 5,
    }


def test_a_faster_kernel_makes_the_step_faster_until_something_else_is_slower() -> None:
    assert step_us_if(BOUND_BY_DEVICE, "gemm", 0.5) == 70
    # The host is at 40 when it begins to wait; add is launched at 21 and could begin 4 later, as gemm did.
    assert step_us_if(BOUND_BY_DEVICE, "gemm", 0.0) == 40 + 15
    assert step_us_if(BOUND_BY_DEVICE, "aten::add", 0.0) == 100


def test_where_the_device_has_nothing_to_do_its_speed_does_not_matter() -> None:
    events = [step(1, 0, 100), span("aten::mm", 5, 80), launch(6, 1, 1), kernel("gemm", 10, 20, 1)]
    assert parts_us(events) == {
        ("host", "aten::mm"): 79,
        ("host", "cudaLaunchKernel"): 1,
        ("host", "Python and gaps"): 20,
    }
    assert step_us_if(events, "gemm", 0.0) == 100
    assert step_us_if(events, "aten::mm", 0.5) == 60


def test_work_that_outlasts_the_last_step_belongs_to_it() -> None:
    events = [step(1, 0, 20), launch(6, 1, 1), kernel("gemm", 10, 60, 1)]
    assert path_of(trace_of(events)).total_ns == 70_000


def test_backward_on_its_own_thread_is_on_the_path() -> None:
    engine = "autograd::engine::evaluate_function: MmBackward0"
    events = [step(1, 0, 100), span("aten::mm", 5, 10), span(engine, 30, 40, tid=2), span("aten::add", 80, 10)]
    assert parts_us(events) == {
        ("host", engine): 40,
        ("host", "aten::mm"): 10,
        ("host", "aten::add"): 10,
        ("host", "Python and gaps"): 40,
    }
    assert step_us_if(events, engine, 0.5) == 80


def test_a_stream_waits_for_another_where_the_program_says_so() -> None:
    events = [
        step(1, 0, 100),
        launch(5, 1, 1),
        kernel("nccl", 10, 50, 1, stream=9),
        span("cudaStreamWaitEvent", 8, 1, cat="cuda_runtime"),
        launch(12, 1, 2),
        kernel("gemm", 61, 20, 2),
        span(WAIT, 20, 62, cat="cuda_runtime"),
    ]
    assert parts_us(events)["device", "nccl"] == 50
    assert step_us_if(events, "nccl", 0.5) == 75


def test_a_copy_that_blocks_is_waited_for() -> None:
    events = [step(1, 0, 100), launch(5, 60, 1, name="cudaMemcpyAsync"), kernel("Memcpy DtoH", 10, 50, 1)]
    assert parts_us(events)["device", "Memcpy DtoH"] == 50


def test_without_the_host_a_step_is_what_its_device_did_and_the_rest() -> None:
    events = [kernel("k", 10, 20), span("PyTorch Profiler (0)", 0, 50, cat="Trace")]
    assert parts_us(events) == {("device", "k"): 20, ("launch", "k"): 10, ("host", "Python and gaps"): 20}
    assert step_us_if(events, "k", 0.0) == 50


def test_gains_name_what_would_help_most_first() -> None:
    trace = trace_of(BOUND_BY_DEVICE)
    tree = host_tree(trace)
    graph = dependencies(trace, tree=tree)
    found = gains(trace, graph, critical_path(trace, graph), tree=tree)
    assert (found[0].name, found[0].free_ns) == ("gemm", 55_000)


def test_a_trace_without_events_has_no_path() -> None:
    trace = trace_of([])
    tree = host_tree(trace)
    assert path_of(trace) == CriticalPath(0, 0, ())
    assert step_if(trace, dependencies(trace), np.empty(0, np.intp), 0.0, nesting=tree.nesting) == 0


times = st.tuples(st.integers(0, 60), st.integers(0, 30))
events = st.lists(
    st.one_of(
        st.builds(
            lambda name, at, tid: span(name, *at, tid=tid),
            st.sampled_from(["aten::mm", "MmBackward0", "x"]),
            times,
            st.integers(1, 2),
        ),
        st.builds(
            lambda name, at, tid: span(name, *at, cat="cuda_runtime", tid=tid, correlation=at[0] % 5),
            st.sampled_from([WAIT, "cudaLaunchKernel", "cudaStreamWaitEvent", "cudaMemcpyAsync"]),
            times,
            st.integers(1, 2),
        ),
        st.builds(
            lambda name, at, stream: kernel(name, *at, at[1] % 5, stream=stream),
            st.sampled_from(["k", "Memcpy DtoH"]),
            times,
            st.integers(7, 9),
        ),
        st.builds(lambda number, at: step(number, *at), st.integers(1, 3), times),
    ),
    max_size=20,
)


@settings(max_examples=40)
@given(events)
def test_for_any_trace_the_path_sums_and_nothing_changed_changes_nothing(found: list[Raw]) -> None:
    trace = trace_of(found)
    tree = host_tree(trace)
    graph = dependencies(trace, tree=tree)
    path = critical_path(trace, graph)
    assert sum(part.dur_ns for part in path.parts) == path.total_ns
    same = step_if(trace, graph, np.arange(len(trace)), 1.0, nesting=tree.nesting)
    assert same * path.num_steps == pytest.approx(path.total_ns)
    for rows in (np.arange(len(trace)), trace.rows(*DEVICE_KINDS), trace.rows(Kind.CPU_OP)):
        assert step_if(trace, graph, rows, 0.0, nesting=tree.nesting) <= same + 1e-6


def test_questions_of_a_graph_that_is_walked_in_pieces_have_the_same_answers(shared_data: Path) -> None:
    trace = read_trace(shared_data / "tracelens" / "h100" / "gaunernst_bert-small-uncased__1016001.json.gz")
    tree = host_tree(trace)
    graph = dependencies(trace, tree=tree)
    path = critical_path(trace, graph)
    found = gains(trace, graph, path, tree=tree)
    with mock.patch.object(replay, "_NODES_AT_ONCE", 7):
        assert gains(trace, graph, path, tree=tree) == found


def test_real_runs_on_small_batches_are_bound_by_the_host(shared_data: Path) -> None:
    trace = read_trace(shared_data / "tracelens" / "h100" / "gaunernst_bert-small-uncased__1016001.json.gz")
    path = path_of(trace)
    assert sum(part.dur_ns for part in path.parts) == path.total_ns
    assert path.share(Where.HOST) > 0.9


def test_without_its_loader_a_real_run_is_as_fast_as_the_one_that_has_four(shared_data: Path) -> None:
    """Predicted from the trace that loads in the training process; the other one's median step is the truth."""
    with_none, with_four = (
        read_trace(next((shared_data / "kineto_resnet50" / f"num_workers_{workers}").glob("*.json.gz")))
        for workers in (0, 4)
    )
    tree = host_tree(with_none)
    is_loader = np.array([name.startswith("enumerate(DataLoader)#") for name in with_none.names])[with_none.name]
    graph = dependencies(with_none, tree=tree)
    predicted_ns = step_if(with_none, graph, np.flatnonzero(is_loader), 0.0, nesting=tree.nesting)
    assert predicted_ns == pytest.approx(np.median(host_steps(with_four).dur_ns), rel=0.05)
