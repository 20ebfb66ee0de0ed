from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profile.analyse.events import Raw, kernel, launch, span

from drivetrain.profile import NONE, Kind, trace_of
from drivetrain.profile.analyse import launches, nest
from drivetrain.profile.analyse.nesting import HOST_KINDS
from drivetrain.profile.trace import Trace


def parents(trace: Trace) -> dict[str, str | None]:
    names = [trace.names[name] for name in trace.name]
    return {name: None if up == NONE else names[up] for name, up in zip(names, nest(trace).parent, strict=True)}


spans = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.integers(0, 40),
        st.integers(1, 3),
        st.sampled_from(["cpu_op", "python_function", "other"]),
    ),
    max_size=30,
)


def test_an_event_is_inside_the_innermost_one_that_is_open_on_its_thread() -> None:
    trace = trace_of([span("a", 0, 10), span("b", 1, 8), span("c", 2, 3), span("d", 5, 4), span("e", 6, 1, tid=2)])
    assert parents(trace) == {"a": None, "b": "a", "c": "b", "d": "b", "e": None}
    assert dict(zip([trace.names[name] for name in trace.name], nest(trace).self_ns // 1000, strict=True)) == {
        "a": 2,
        "b": 1,
        "c": 3,
        "d": 4,
        "e": 1,
    }


def test_of_events_with_the_same_times_a_call_is_inside_its_operator() -> None:
    trace = trace_of([span("cudaLaunchKernel", 0, 5, cat="cuda_runtime"), span("aten::mm", 0, 5)])
    assert parents(trace) == {"aten::mm": None, "cudaLaunchKernel": "aten::mm"}


def test_one_that_outlives_its_parent_ends_with_it() -> None:
    trace = trace_of([span("a", 0, 10), span("b", 5, 6), span("c", 10, 5)])
    assert parents(trace) == {"a": None, "b": "a", "c": None}
    assert nest(trace).self_ns.tolist() == [5000, 5000, 5000]


@settings(max_examples=50)
@given(spans)
def test_self_times_sum_to_the_time_of_roots_for_any_events(found: list[tuple[int, int, int, str]]) -> None:
    trace = trace_of([span(str(place), ts, dur, cat, tid=tid) for place, (ts, dur, tid, cat) in enumerate(found)])
    tree = nest(trace)
    roots = (tree.parent == NONE) & np.isin(trace.kind, HOST_KINDS)
    assert (tree.self_ns >= 0).all()
    assert tree.self_ns.sum() == trace.dur_ns[roots].sum()
    inner = np.flatnonzero(tree.parent != NONE)
    up = tree.parent[inner]
    assert (trace.ts_ns[up] <= trace.ts_ns[inner]).all()
    assert (trace.ts_ns[inner] + tree.held_ns[inner] <= trace.ts_ns[up] + tree.held_ns[up]).all()
    assert (tree.depth[inner] == tree.depth[up] + 1).all()


@settings(max_examples=50)
@given(spans, st.integers(0, 5))
def test_the_enclosing_event_is_found_at_any_depth(found: list[tuple[int, int, int, str]], modulo: int) -> None:
    trace = trace_of([span(str(place), ts, dur, cat, tid=tid) for place, (ts, dur, tid, cat) in enumerate(found)])
    tree = nest(trace)
    wanted = np.arange(len(trace)) % 6 <= modulo
    for row, found_row in enumerate(tree.enclosing(wanted)):
        up = tree.parent[row]
        while up != NONE and not wanted[up]:
            up = tree.parent[up]
        assert up == found_row


def test_work_belongs_to_the_innermost_operator_around_its_launch() -> None:
    trace = trace_of([span("aten::linear", 0, 9), span("aten::addmm", 1, 7), launch(2, 1, 5), kernel("k", 20, 3, 5)])
    found = launches(trace, nest(trace))
    assert [trace.names[trace.name[row]] for row in found.operator] == ["aten::addmm"]
    assert trace.kind[found.call].tolist() == [Kind.RUNTIME]


OF_THREE: Raw = {"External id": 3}


def test_without_its_launch_the_external_id_tells_the_operator() -> None:
    trace = trace_of([span("aten::mm", 0, 9, **OF_THREE), kernel("k", 20, 3, 5, **OF_THREE)])
    found = launches(trace, nest(trace))
    assert found.call.tolist() == [NONE]
    assert found.operator.tolist() == [0]


def test_of_launches_with_one_id_the_last_before_the_work_counts() -> None:
    calls = [launch(0, 1, 5), launch(10, 1, 5), launch(30, 1, 5)]
    trace = trace_of([*calls, kernel("k", 12, 3, 5), kernel("k", 31, 1, 5), kernel("k", 32, 1, 9)])
    assert launches(trace, nest(trace)).call.tolist() == [1, 3, NONE]
