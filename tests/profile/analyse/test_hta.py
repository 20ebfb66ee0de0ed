from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.profile.analyse.events import Raw, kernel, launch, launched, span, step

from drivetrain.profile import read_trace, trace_of
from drivetrain.profile.analyse import IdleCause, hta_breakdown
from drivetrain.profile.analyse.hta import HtaBreakdown

TWO_STEPS = [step(1, 0, 100), step(2, 100, 100)]


def found(events: list[Raw], **options: Any) -> HtaBreakdown:
    result = hta_breakdown(trace_of(events), **options)
    assert result is not None
    return result


def test_work_launched_in_the_last_step_counts_only_if_asked_for() -> None:
    events = [*TWO_STEPS, *launched("gemm", 50, 20, 1), *launched("gemm", 120, 30, 2)]
    assert (found(events).compute_us, found(events).total_us) == (20, 20)
    kept = found(events, include_last_step=True)
    assert (kept.compute_us, kept.idle_us, kept.total_us, kept.idle_pct) == (50, 50, 100, 50.0)


def test_with_one_step_all_counts_launched_or_not() -> None:
    assert found([step(1, 0, 100), kernel("early", 2, 10, 7), *launched("gemm", 50, 20, 1)]).compute_us == 30


def test_whole_microseconds_inside_an_event_count() -> None:
    assert found(launched("gemm", 10.4, 5.3, 1)).compute_us == 4


def test_collectives_count_where_they_overlap_compute() -> None:
    result = found([*launched("gemm", 100, 50, 1), *launched("ncclKernel_AllReduce", 140, 40, 2, stream=20)])
    assert result.overlap_pct == 25.0
    assert [(each.kernel_type, each.sum_us, each.pct) for each in result.kernel_types] == [
        ("COMPUTATION", 40, 50.0),
        ("COMMUNICATION", 30, 37.5),
        ("COMPUTATION overlapping COMMUNICATION", 10, 12.5),
    ]


def test_waits_for_other_streams_are_no_compute_unless_they_hide_their_nature() -> None:
    waits = [
        *launched("Stream Sync", 10, 10, 1, stream=8),
        *launched("Stream Wait Event", 20, 10, 2, stream=8),
    ]
    assert (found(waits).compute_us, found(waits).non_compute_us) == (10, 10)


def test_gaps_are_the_hosts_if_it_launched_late_and_the_devices_if_they_are_short() -> None:
    result = found(
        [
            *(launch(0, 2, 1), kernel("a", 10, 10, 1)),
            *(launch(25, 2, 2), kernel("b", 40, 10, 2)),  # launched when a had ended
            *(launch(26, 2, 3), kernel("c", 60, 10, 3)),  # 10 us after b, queued
            *(launch(27, 2, 4), kernel("d", 170, 10, 4)),  # 100 us after c, queued
        ]
    )
    assert [(each.cause, each.idle_us, each.ratio) for each in result.idle] == [
        (IdleCause.HOST_WAIT, 20, 0.15),
        (IdleCause.KERNEL_WAIT, 10, 0.08),
        (IdleCause.OTHER, 100, 0.77),
    ]


def test_a_trace_without_device_work_has_no_breakdown() -> None:
    assert hta_breakdown(trace_of([*TWO_STEPS, span("aten::mm", 10, 20)])) is None


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("nccl_parser_config/nccl_data", "nccl_data/nccl_data.json.gz"),
        ("trace_diff/control", "trace_diff_control/control.json.gz"),
    ],
)
def test_figures_are_htas_own_in_both_modes(shared_data: Path, name: str, file: str) -> None:
    published = json.loads((shared_data / "hta" / "EXPECTED_hta_0.5.0_output.json").read_text())[name]
    trace = read_trace(shared_data / "hta" / file)
    for mode in ("default", "include_last_step"):
        ours = hta_breakdown(trace, include_last_step=mode == "include_last_step")
        assert ours is not None
        assert as_printed(ours, trace.origin.rank) == sorted_idle(published[mode])


def as_printed(ours: HtaBreakdown, rank: int | None) -> dict[str, Any]:
    kinds = ("idle", "compute", "non_compute")
    return sorted_idle(
        {
            "temporal_breakdown": [
                {
                    "rank": rank,
                    **{f"{kind}_time(us)": float(getattr(ours, f"{kind}_us")) for kind in kinds},
                    "kernel_time(us)": float(ours.total_us),
                    **{f"{kind}_time_pctg": getattr(ours, f"{kind}_pct") for kind in kinds},
                }
            ],
            "comm_comp_overlap": [{"rank": rank, "comp_comm_overlap_pctg": ours.overlap_pct}],
            "kernel_type_breakdown": [
                {"kernel_type": each.kernel_type, "sum": each.sum_us, "percentage": each.pct}
                for each in ours.kernel_types
            ],
            "idle": [
                {
                    "rank": rank,
                    "stream": each.stream,
                    "idle_category": each.cause.name.lower(),
                    "idle_time": float(each.idle_us),
                    "idle_time_ratio": each.ratio,
                }
                for each in ours.idle
            ],
        }
    )


def sorted_idle(printed: dict[str, Any]) -> dict[str, Any]:
    """HTA lists streams as they come."""
    return {**printed, "idle": sorted(printed["idle"], key=lambda each: (each["stream"], each["idle_category"]))}
