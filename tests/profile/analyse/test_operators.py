from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profile.analyse.events import Raw, kernel, launch, span

from drivetrain.profile import read_trace, trace_of
from drivetrain.profile.analyse import host_tree, launchers, modules, operators


def with_sequence(event: Raw, number: int) -> Raw:
    return {**event, "args": {**event["args"], "Sequence number": number}}


def called(name: str, ts: float, dur: float, dims: str = "") -> Raw:
    return {**span(name, ts, dur), "args": {"Input Dims": [[2, 3]] if dims else []}}


def test_an_operator_has_its_own_time_and_that_of_all_inside_it() -> None:
    trace = trace_of(
        [
            span("aten::linear", 0, 20),
            span("aten::addmm", 5, 10),
            launch(6, 2, 1),
            kernel("gemm", 30, 7, 1),
            launch(16, 2, 2),
            kernel("copy", 40, 3, 2),
        ]
    )
    linear, addmm = sorted(operators(trace), key=lambda one: one.name, reverse=True)
    assert (linear.host_total_ns, linear.host_self_ns) == (20_000, 10_000)
    assert (linear.device_direct_us, linear.device_subtree_us) == (3, 10)
    assert (addmm.host_total_ns, addmm.host_self_ns) == (10_000, 10_000)
    assert (addmm.device_direct_us, addmm.device_subtree_us) == (7, 7)


def test_one_that_calls_itself_counts_its_time_once() -> None:
    (found,) = operators(
        trace_of([span("aten::f", 0, 20), span("aten::f", 5, 10), launch(6, 2, 1), kernel("k", 9, 4, 1)])
    )
    assert (found.num_calls, found.host_total_ns, found.host_self_ns) == (2, 20_000, 20_000)
    assert (found.device_direct_us, found.device_subtree_us) == (4, 4)


def test_kernels_that_overlap_count_their_time_once() -> None:
    trace = trace_of(
        [
            span("aten::f", 0, 20),
            launch(1, 2, 1),
            launch(4, 2, 2),
            kernel("a", 30, 8, 1),
            kernel("b", 34, 8, 2, stream=9),
        ]
    )
    assert operators(trace)[0].device_direct_us == 12


def test_shapes_part_calls_where_asked() -> None:
    trace = trace_of([called("aten::f", 0, 5, "shape"), called("aten::f", 10, 5), span("ProfilerStep#1", 0, 30)])
    assert [one.num_calls for one in operators(trace)] == [2]
    assert sorted(one.dims for one in operators(trace, by_dims=True)) == ["[[2,3]]", "[]"]


def test_a_launch_outside_operators_stands_for_itself() -> None:
    (found,) = launchers(trace_of([launch(1, 2, 1, name="cuLaunchKernel"), kernel("k", 9, 4, 1)]))
    assert (found.name, found.num_calls, found.direct_us) == ("cuLaunchKernel", 1, 4)


def test_launchers_leave_collectives_to_their_own_table() -> None:
    calls = [span("aten::f", 0, 20), launch(1, 2, 1), launch(4, 2, 2)]
    (found,) = launchers(trace_of([*calls, kernel("gemm", 30, 8, 1), kernel("ncclDevKernel_AllReduce", 40, 8, 2)]))
    assert (found.direct_us, found.subtree_us) == (8, 16)


spans = st.lists(
    st.tuples(st.sampled_from(["aten::f", "aten::g"]), st.integers(0, 40), st.integers(1, 30), st.integers(1, 2)),
    max_size=12,
)


@settings(max_examples=50)
@given(spans)
def test_own_times_of_operators_sum_to_the_time_of_the_outermost(found: list[tuple[str, int, int, int]]) -> None:
    trace = trace_of([span(name, ts, dur, tid=tid) for name, ts, dur, tid in found])
    tree = host_tree(trace)
    assert sum(one.host_self_ns for one in operators(trace, tree=tree)) == tree.nesting.self_ns.sum()


def test_modules_own_what_ran_in_them_forward_and_by_number_backward() -> None:
    trace = trace_of(
        [
            span("nn.Module: Net_0", 0, 50, cat="python_function"),
            span("nn.Module: Linear_0", 5, 20, cat="python_function"),
            with_sequence(span("aten::linear", 6, 10), 4),
            launch(7, 1, 1),
            kernel("gemm", 60, 7, 1),
            with_sequence(span("aten::sum", 30, 10), 5),
            with_sequence(span("autograd::engine::evaluate_function: AddmmBackward0", 100, 30, tid=2), 4),
            span("aten::mm", 105, 10, tid=2),
            {**launch(106, 1, 2), "tid": 2},
            kernel("gemm", 120, 9, 2),
        ]
    )
    found = {one.path: one for one in modules(trace)}
    linear = found["Net_0", "Linear_0"]
    assert (linear.forward_host_ns, linear.backward_host_ns) == (10_000, 30_000)
    assert (linear.forward_device_us, linear.backward_device_us, linear.subtree_device_us) == (7, 9, 16)
    net = found[("Net_0",)]
    assert (net.forward_host_ns, net.forward_device_us, net.subtree_device_us) == (10_000, 0, 16)


def test_the_hierarchy_that_a_compiled_program_tells_counts_where_no_call_is_named() -> None:
    told: Raw = {"Module Hierarchy": "TOP(Net)::forward.SELF(Net)::_run.layer1(Sequential)::forward"}
    calls = [{**span("aten::linear", 6, 10), "args": told}, launch(7, 1, 1), kernel("gemm", 60, 7, 1)]
    inner, outer = modules(trace_of(calls))
    assert (outer.path, outer.subtree_device_us) == (("Net",), 7)
    assert (inner.path, inner.forward_host_ns, inner.forward_device_us) == (("Net", "layer1"), 10_000, 7)


def test_without_modules_there_are_none() -> None:
    assert modules(trace_of([span("aten::f", 0, 5)])) == ()


@pytest.mark.parametrize(
    "name", ["gaunernst_bert-small-uncased__1016001", "facebook_timesformer-base-finetuned-k400__1016002"]
)
def test_device_times_are_those_that_tracelens_published(shared_data: Path, name: str) -> None:
    folder = shared_data / "tracelens" / "h100"
    with (folder / f"{name}_perf_report_csvs" / "ops_summary.csv").open() as file:
        published = {
            row["name"]: (
                int(row["Count"]),
                pytest.approx(float(row["total_direct_kernel_time_sum"]), rel=1e-9),
                pytest.approx(float(row["total_subtree_kernel_time_sum"]), rel=1e-9),
            )
            for row in csv.DictReader(file)
        }
    found = launchers(read_trace(folder / f"{name}.json.gz"))
    assert {one.name: (one.num_calls, one.direct_us, one.subtree_us) for one in found} == published
