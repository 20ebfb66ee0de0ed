from __future__ import annotations

import csv
from pathlib import Path

import pytest
from tests.profile.analyse.events import kernel, launch, launched, span, step

from drivetrain.profile import read_trace, trace_of
from drivetrain.profile.analyse import breakdown, breakdown_by_device, breakdown_by_step


def test_parts_are_disjoint_and_what_compute_hides_is_not_exposed() -> None:
    found = breakdown(
        trace_of(
            [
                *launched("gemm", 100, 50, 1),
                *launched("ncclDevKernel_AllReduce_Sum_f32", 130, 40, 2, stream=20),  # 20 of it after the gemm
                *launched("Memcpy HtoD (Pinned -> Device)", 160, 30, 3, stream=21),  # 20 of it after the collective
                *launched("Memset (Device)", 200, 10, 4),
            ]
        )
    )
    assert found.source == "device"
    assert (found.compute_us, found.exposed_comm_us, found.exposed_memcpy_us) == (60, 20, 20)
    assert (found.busy_us, found.idle_us, found.total_us) == (100, 10, 110)
    assert (found.total_comm_us, found.total_memcpy_us) == (40, 30)
    assert found.hidden_comm_share == 0.5


@pytest.mark.parametrize(
    "name", ["ncclKernel_AllReduce", "void rcclGenericKernel<1>(int)", "deep_ep::intranode", "cross_device_reduce_1"]
)
def test_collectives_of_every_library_are_communication(name: str) -> None:
    assert breakdown(trace_of(launched(name, 10, 5, 1))).exposed_comm_us == 5


def test_a_copy_that_rocm_recorded_as_a_kernel_is_a_copy() -> None:
    assert breakdown(trace_of(launched("__amd_rocclr_copyBuffer.kd", 10, 5, 1))).exposed_memcpy_us == 5


def test_what_was_launched_before_the_trace_began_does_not_count_and_is_counted() -> None:
    found = breakdown(trace_of([kernel("early", 1, 50, 99), *launched("gemm", 100, 50, 1)]))
    assert (found.total_us, found.num_unlaunched) == (50, 1)


def test_a_trace_without_any_launch_counts_all_that_the_device_did() -> None:
    found = breakdown(trace_of([kernel("a", 1, 5, 8), kernel("b", 9, 1, 9)]))
    assert (found.compute_us, found.total_us, found.num_unlaunched) == (6, 9, 0)


def test_each_device_of_a_process_has_its_own_time() -> None:
    trace = trace_of([*launched("a", 100, 30, 1), *launched("b", 100, 10, 2, device=1)])
    assert {device: each.busy_us for device, each in breakdown_by_device(trace).items()} == {0: 30, 1: 10}


def test_a_step_lasts_until_the_device_has_done_what_it_launched() -> None:
    found, parts = breakdown_by_step(
        trace_of(
            [
                *(step(1, 0, 100), step(2, 100, 100)),
                *(launch(10, 2, 1), kernel("a", 20, 100, 1)),
                *(launch(110, 2, 2), kernel("a", 130, 20, 2)),
            ]
        )
    )
    assert found.number.tolist() == [1, 2]
    assert [(each.total_us, each.busy_us) for each in parts] == [(120, 100), (80, 20)]


def test_without_a_device_time_is_the_hosts_and_nothing_is_said_of_copies() -> None:
    found = breakdown(
        trace_of(
            [
                *(step(1, 0, 100), step(2, 100, 100)),
                span("enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__", 0, 40, "user_annotation"),
                span("aten::stack", 5, 30),  # loads data, on the same thread
                *(span("aten::mm", 50, 40), span("aten::mul", 60, 60, tid=2)),
                span("gloo:all_reduce", 110, 30, tid=3),
            ]
        )
    )
    assert found.source == "host"
    assert (found.compute_us, found.exposed_comm_us, found.busy_us) == (70, 20, 90)
    assert (found.idle_us, found.total_us, found.data_wait_us) == (110, 200, 40)
    assert found.exposed_memcpy_us is None


def test_an_empty_trace_has_no_time() -> None:
    assert breakdown(trace_of([])).total_us == 0


@pytest.mark.parametrize(
    "model", ["facebook_timesformer-base-finetuned-k400__1016002", "gaunernst_bert-small-uncased__1016001"]
)
def test_figures_are_tracelens_own(shared_data: Path, model: str) -> None:
    folder = shared_data / "tracelens" / "h100"
    found = breakdown(read_trace(folder / f"{model}.json.gz"))
    with (folder / f"{model}_perf_report_csvs" / "gpu_timeline.csv").open() as file:
        published = {row["type"]: float(row["time ms"]) * 1000 for row in csv.DictReader(file)}
    for name, expected_us in published.items():
        ours = name.replace("computation", "compute").replace("_time", "_us")
        assert getattr(found, ours) == pytest.approx(expected_us, rel=1e-6, abs=0), name


def test_a_collective_that_a_thread_of_gloo_runs_is_exposed_while_no_operator_runs() -> None:
    found = breakdown(
        trace_of(
            [
                step(1, 0, 100),
                span("autograd::engine::evaluate_function: AddmmBackward0", 10, 50),
                span("c10d::allreduce_", 30, 10),  # within the operator and on its thread
                span("gloo:all_reduce", 32, 48, "user_annotation", tid=9),
            ]
        )
    )
    assert (found.compute_us, found.exposed_comm_us, found.total_comm_us) == (40, 30, 50)
