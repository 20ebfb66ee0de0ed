from __future__ import annotations

from pathlib import Path

import pytest
from tests.profile.analyse.events import Raw, kernel, launch, span, step

from drivetrain.profile import read_trace, trace_of
from drivetrain.profile.analyse import collective_table, collectives
from drivetrain.profile.analyse.collectives import KINDS, collective_kind

TOLD = {"Collective name": "allreduce", "dtype": "BFloat16", "Process Group Name": "0", "Group size": 4}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ncclDevKernel_AllReduce_Sum_bf16_RING_LL(ncclDevComm*)", "all_reduce"),
        ("_allgather_base", "all_gather"),
        ("reduce_scatter_tensor_coalesced", "reduce_scatter"),
        ("ncclKernel_ReduceScatter_RING_LL_Sum_float", "reduce_scatter"),
        ("nccl:all_to_all", "all_to_all"),
        ("ncclKernel_Reduce_RING", "reduce"),
        ("ncclKernel_SendRecv_RING", "send_recv"),
        ("rcclGenericKernel", "other"),
    ],
)
def test_a_collective_has_one_name_however_it_is_spelt(name: str, kind: str) -> None:
    assert collective_kind(name) == kind


def test_bandwidths_are_those_of_nccl_tests() -> None:
    (line,) = collective_table(
        collectives(
            trace_of(
                [launch(0, 1, 1), kernel("ncclDevKernel_AllReduce", 10, 100, 1, **TOLD, **{"In msg nelems": 1_000_000})]
            )
        )
    )
    assert (line.kind, line.group, line.group_size, line.num_bytes) == ("all_reduce", "0", 4, 2_000_000)
    assert line.algorithm_bytes_per_s == pytest.approx(2e10)
    assert line.bus_bytes_per_s == pytest.approx(3e10)


def test_an_all_gather_counts_what_a_rank_gets() -> None:
    told = {**TOLD, "Collective name": "_allgather_base", "In msg nelems": 10, "Out msg nelems": 40}
    assert collectives(trace_of([kernel("ncclDevKernel_AllGather", 10, 100, 1, **told)])).size_bytes.tolist() == [80]


def test_a_kernel_that_says_nothing_is_what_the_call_around_its_launch_says() -> None:
    events = [
        span("record_param_comms", 5, 20, **TOLD, **{"In msg nelems": 100}),
        *(launch(10, 5, 1), kernel("ncclKernel", 50, 10, 1)),
    ]
    found = collectives(trace_of(events))
    assert (KINDS[found.kind[0]], found.size_bytes.tolist()) == ("all_reduce", [200])


def test_without_that_an_annotation_and_its_shapes_say_it() -> None:
    mark = span(
        "nccl:all_to_all", 5, 20, "user_annotation", **{"Input Dims": [[8, 10], []], "Input type": ["float", ""]}
    )
    events = [mark, launch(10, 5, 1), kernel("ncclKernel_SendRecv", 50, 10, 1)]
    found = collectives(trace_of(events, distributedInfo={"world_size": 8}))
    assert (KINDS[found.kind[0]], found.size_bytes.tolist(), found.group_size.tolist()) == ("all_to_all", [320], [8])


def test_what_compute_hides_is_not_exposed_and_steps_are_those_of_the_launch() -> None:
    found = collectives(
        trace_of(
            [
                *(step(4, 0, 40), step(5, 40, 100)),
                *(launch(10, 1, 1), kernel("ncclDevKernel_AllReduce", 50, 30, 1, stream=20)),
                *(launch(12, 1, 2), kernel("gemm", 60, 100, 2)),
            ]
        )
    )
    assert (found.exposed_ns.tolist(), found.step.tolist()) == ([10_000], [4])


def test_without_a_device_gloo_tells_on_its_threads() -> None:
    def reduce(ts: float) -> Raw:
        return span(
            "gloo:all_reduce", ts, 10, "user_annotation", tid=9, **{"Input Dims": [[64]], "Input type": ["float"]}
        )

    found = collectives(trace_of([step(1, 0, 50), reduce(5), span("aten::mm", 10, 3), reduce(60)]))
    assert (found.size_bytes.tolist(), found.step.tolist()) == ([256, 256], [1, -1])
    assert found.exposed_ns.tolist() == [7_000, 10_000]


def test_a_trace_without_communication_has_no_collectives() -> None:
    assert collective_table(collectives(trace_of([kernel("gemm", 1, 2)]))) == ()


def test_sizes_are_found_in_traces_of_every_age(shared_data: Path) -> None:
    new = collectives(read_trace(shared_data / "hta" / "nccl_data" / "nccl_data.json.gz"))
    reduced = new.size_bytes[new.kind == KINDS.index("all_reduce")]
    assert reduced[:2].tolist() == [2049000 * 4, 7875584 * 4]
    old = collectives(read_trace(shared_data / "hta" / "trace_diff_control" / "control.json.gz"))
    assert (len(old), int(old.size_bytes[0]), old.group_size[0]) == (60, 8 * 1024 * 8816 * 4, 8)
