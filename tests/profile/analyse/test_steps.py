from __future__ import annotations

import numpy as np
from tests.profile.analyse.events import kernel, launch, span, step

from drivetrain.profile import trace_of
from drivetrain.profile.analyse import device_rows, launch_rows, step_at, step_by_launch, steps


def test_steps_are_the_hosts_annotations_and_not_the_devices() -> None:
    found = steps(trace_of([step(7, 10, 5), step(8, 20, 5), span("ProfilerStep#8", 40, 5, "gpu_user_annotation")]))
    assert (found.number.tolist(), found.annotated) == ([7, 8], True)


def test_steps_that_old_versions_wrote_as_operators_are_steps() -> None:
    assert steps(trace_of([span("ProfilerStep#3", 10, 5, "Operator")])).number.tolist() == [3]


def test_without_annotations_a_span_of_the_profiler_is_a_step_and_without_that_the_whole_trace() -> None:
    spans = steps(trace_of([span("PyTorch Profiler (0)", 0, 90, "Trace"), span("aten::mm", 10, 5)]))
    assert (spans.end_ns.tolist(), spans.annotated) == ([90_000], False)
    whole = steps(trace_of([span("aten::mm", 10, 5), span("aten::mm", 20, 5)]))
    assert (whole.end_ns - whole.begin_ns).tolist() == [15_000]
    assert len(steps(trace_of([]))) == 0


def test_device_work_belongs_to_the_step_that_launched_it_whenever_it_runs() -> None:
    trace = trace_of(
        [step(1, 0, 100), step(2, 100, 100), launch(90, 2, 1), kernel("a", 120, 10, 1), kernel("b", 150, 9)]
    )
    found, rows = steps(trace), device_rows(trace)
    assert step_by_launch(trace, found, rows).tolist() == [0, -1]
    assert step_at(found, trace.ts_ns[rows]).tolist() == [1, 1]
    assert step_at(found, np.array([-1, 200_000])).tolist() == [-1, -1]


def test_ids_that_are_used_again_link_to_the_last_launch_before_the_work() -> None:
    trace = trace_of(
        [launch(10, 1, 5), kernel("a", 20, 5, 5), launch(30, 1, 5), kernel("b", 40, 5, 5), launch(50, 1, 6)]
    )
    rows = device_rows(trace)
    assert trace.ts_ns[launch_rows(trace, rows)].tolist() == [0, 20_000]


def test_where_no_call_has_a_correlation_its_external_id_links_it() -> None:
    trace = trace_of(
        [
            span("hipLaunchKernel", 10, 2, "cuda_runtime", **{"External id": 4}),
            span("gemm", 20, 5, "kernel", tid=7, stream=7, device=0, **{"External id": 4}),
        ]
    )
    assert launch_rows(trace, device_rows(trace)).tolist() == [0]
