"""Whatever a trace holds, analyses give figures, and parts sum to the whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profile.analyse.events import Raw, span

from drivetrain.profile import Trace, analyse, trace_of

CATEGORIES = ["cpu_op", "cuda_runtime", "kernel", "gpu_memcpy", "gpu_memset", "user_annotation", "cuda_sync", "Trace"]
NAMES = [
    *(
        "aten::mm",
        "gemm",
        "Memcpy HtoD",
        "ncclDevKernel_AllReduce",
        "nccl:all_reduce",
        "gloo:all_reduce",
        "Stream Sync",
    ),
    *(
        "record_param_comms",
        "enumerate(DataLoader)#x.__next__",
        "ProfilerStep#1",
        "ProfilerStep#2",
        "ProfilerStep#",
        "",
    ),
]
args = st.fixed_dictionaries(
    {},
    optional={
        "correlation": st.integers(-1, 4),
        "stream": st.integers(-1, 2),
        "device": st.integers(0, 1),
        "External id": st.integers(0, 3),
        "Collective name": st.just("allreduce"),
        "Input Dims": st.sampled_from([[], [[2, 3], [], [[4]]]]),
        "Input type": st.sampled_from([["float", ""], [[]]]),
    },
)
events = st.lists(
    st.builds(
        lambda name, cat, ts, dur, tid, more: span(name, ts, dur, cat, tid=tid, **more),
        *(st.sampled_from(NAMES), st.sampled_from(CATEGORIES)),
        *(st.integers(0, 40).map(lambda quarters: quarters / 4), st.sampled_from([0, 0.25, 1, 5])),
        *(st.integers(0, 2), args),
    ),
    max_size=12,
)


def across_ranks(trace: Trace) -> object:
    waiting = analyse.skew([analyse.collectives(trace, name) for name in "ab"])
    return analyse.stragglers([analyse.rank_steps(trace, name) for name in "ab"], waiting)


ANALYSES: list[Callable[[Trace], Any]] = [
    *(analyse.breakdown_by_device, analyse.hta_breakdown, analyse.device_gaps, analyse.stream_gaps),
    *(analyse.kernel_table, analyse.launch_stats, analyse.stream_queues, analyse.breakdown_by_step, across_ranks),
    lambda trace: analyse.hta_breakdown(trace, include_last_step=True),
    lambda trace: analyse.collective_table(analyse.collectives(trace)),
]


@given(events)
@settings(max_examples=40)
def test_no_trace_is_too_odd(found: list[Raw]) -> None:
    trace = trace_of(found)
    for analysis in ANALYSES:
        assert repr(analysis(trace)) == repr(analysis(trace)), "the same trace gives the same figures"


@given(events)
@settings(max_examples=40)
def test_parts_of_a_process_sum_to_its_window(found: list[Raw]) -> None:
    whole = analyse.breakdown(trace_of(found))
    assert whole.compute_us + whole.exposed_comm_us + (whole.exposed_memcpy_us or 0) == whole.busy_us
    assert whole.busy_us + whole.idle_us == whole.total_us
    assert whole.idle_us >= 0


@given(events)
@settings(max_examples=40)
def test_parts_of_a_device_are_those_of_a_slow_count(found: list[Raw]) -> None:
    launched = {each["args"].get("correlation", -1) for each in found if each["cat"] == "cuda_runtime"} - {-1}
    device = [each for each in found if each["cat"] in ("kernel", "gpu_memcpy", "gpu_memset")]
    counted = [each for each in device if each["args"].get("correlation", -1) in launched] or device
    if not counted or (any(each["cat"] == "cuda_runtime" for each in found) and not launched):
        return  # then launches are linked by external ids
    quarters = {"compute": np.zeros(80, bool), "comm": np.zeros(80, bool), "copy": np.zeros(80, bool)}
    for each in counted:
        kind = "copy" if each["cat"] == "gpu_memcpy" else "compute"
        if (each["cat"] == "kernel" and "nccl" in each["name"]) or (each["cat"] == "kernel" and "gloo" in each["name"]):
            kind = "comm"
        quarters[kind][int(4 * each["ts"]) : int(4 * (each["ts"] + each["dur"]))] = True
    whole = analyse.breakdown(trace_of(found))
    compute, comm, copy = quarters.values()
    assert whole.compute_us == compute.sum() / 4
    assert whole.exposed_comm_us == (comm & ~compute).sum() / 4
    assert whole.exposed_memcpy_us == (copy & ~compute & ~comm).sum() / 4


@given(events)
@settings(max_examples=40)
def test_roles_of_a_lone_step_sum_to_it(found: list[Raw]) -> None:
    steps = analyse.kineto_steps(trace_of(found))
    if len(steps) == 1:
        _, *roles, total_us = astuple(steps[0])
        assert sum(roles) == pytest.approx(total_us, abs=1e-9)
