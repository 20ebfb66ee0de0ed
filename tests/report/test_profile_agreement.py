"""What the report says of real traces is what the tools that published them say."""

from __future__ import annotations

import csv
import functools
import json
from pathlib import Path
from typing import Any

import pytest

from drivetrain.report.profile import ProfileStory, gather_profile, profile_json, profile_text


@functools.cache
def told(*paths: Path) -> ProfileStory:
    """Read once for all tests."""
    return gather_profile(paths)


def printed(path: Path) -> dict[str, Any]:
    """The first rank of what --json prints."""
    ranks: list[dict[str, Any]] = json.loads(json.dumps(profile_json(told(path))))["ranks"]
    return ranks[0]


def only_file(folder: Path) -> Path:
    return next(folder.glob("*.json.gz"))


@pytest.mark.parametrize(
    "name", ["facebook_timesformer-base-finetuned-k400__1016002", "gaunernst_bert-small-uncased__1016001"]
)
def test_the_keys_at_the_top_are_tracelens_s_figures(shared_data: Path, name: str) -> None:
    folder = shared_data / "tracelens" / "h100"
    with (folder / f"{name}_perf_report_csvs" / "gpu_timeline.csv").open() as file:
        expected_ms = {row["type"]: float(row["time ms"]) for row in csv.DictReader(file)}
    found = printed(folder / f"{name}.json.gz")
    for key, column in (
        ("compute_us", "computation_time"),
        ("exposed_comm_us", "exposed_comm_time"),
        ("exposed_memcpy_us", "exposed_memcpy_time"),
        ("busy_us", "busy_time"),
        ("idle_us", "idle_time"),
        ("total_us", "total_time"),
    ):
        assert found[key] == pytest.approx(1000 * expected_ms[column], rel=1e-6), key


@pytest.mark.parametrize(
    ("name", "path"), [("nccl_parser_config/nccl_data", "nccl_data"), ("trace_diff/control", "trace_diff_control")]
)
def test_hta_s_figures_stand_beside_them_in_both_its_modes(shared_data: Path, name: str, path: str) -> None:
    expected = json.loads((shared_data / "hta" / "EXPECTED_hta_0.5.0_output.json").read_text())[name]
    found = printed(only_file(shared_data / "hta" / path))
    for key, mode in (("hta", "default"), ("hta_with_last_step", "include_last_step")):
        told, temporal = found[key], expected[mode]["temporal_breakdown"][0]
        assert told["idle_us"] == temporal["idle_time(us)"]
        assert told["compute_us"] == temporal["compute_time(us)"]
        assert told["non_compute_us"] == temporal["non_compute_time(us)"]
        assert told["total_us"] == temporal["kernel_time(us)"]
        assert told["overlap_pct"] == expected[mode]["comm_comp_overlap"][0]["comp_comm_overlap_pctg"]
        types = {one["kernel_type"]: one["sum_us"] for one in told["kernel_types"]}
        assert types == {one["kernel_type"]: one["sum"] for one in expected[mode]["kernel_type_breakdown"]}
        idle = {(one["stream"], one["cause"]): one["idle_us"] for one in told["idle"]}
        assert idle == {(one["stream"], one["idle_category"]): one["idle_time"] for one in expected[mode]["idle"]}


def test_a_trace_without_workers_is_loader_bound_and_one_with_four_is_not(shared_data: Path) -> None:
    folder = shared_data / "kineto_resnet50"
    without, four = only_file(folder / "num_workers_0"), only_file(folder / "num_workers_4")
    assert "loader-bound" in profile_text(told(without))
    assert "loader-bound" not in profile_text(told(four))
    side_by_side = told(without, four)
    loader = next(one for one in side_by_side.findings if one.kind == "loader")
    assert loader.label == "num_workers_0"
    assert "Beside it, num_workers_4: 0.2 %." in loader.evidence


@pytest.mark.parametrize(
    "path",
    ["kineto_resnet50/num_workers_0", "kineto_resnet50/num_workers_4", "hta/nccl_data", "hta/trace_diff_control"],
)
def test_each_step_sums_by_what_the_device_does_and_its_idle_time_by_cause(shared_data: Path, path: str) -> None:
    for process in told(only_file(shared_data / path)).processes:
        for step in process.steps:
            assert sum(step.device.values()) == pytest.approx(step.length_ns, abs=4)
            # Floats of microseconds, as tools have them, round each event; nanoseconds do not.
            assert sum(step.idle.values()) == pytest.approx(step.device["idle"], rel=1e-4)
