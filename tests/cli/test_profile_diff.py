from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.traces import drivetrain, waiting, write


def test_the_difference_is_told_in_parts_that_sum_to_it(tmp_path: Path) -> None:
    before = write(tmp_path / "before.json", waiting(140.0))
    after = write(tmp_path / "after.json", waiting(10.0))
    done = drivetrain("profile", "diff", before, after)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("A mean step takes 200 us in before and 70.0 us in after: -130 us, 65 % of it.")
    assert "What changed most: loader (-130 us)." in done.stdout
    found = json.loads(drivetrain("profile", "diff", before, after, "--json").stdout)
    for side in ("host", "device"):
        assert sum(part["delta_us"] for part in found[side]) == pytest.approx(found["step"]["delta_us"])


def test_phases_that_change_in_opposite_ways_are_told_together(shared_data: Path) -> None:
    folder = shared_data / "kineto_resnet50"
    done = drivetrain("profile", "diff", folder / "num_workers_0", folder / "num_workers_4")
    first = done.stdout.splitlines()[0]
    assert first.endswith("What changed most: loader (-44.0 ms), other (+16.7 ms), forward (+11.4 ms).")


def test_of_the_two_real_traces_it_sums_and_names_the_loader_first(shared_data: Path) -> None:
    folder = shared_data / "kineto_resnet50"
    done = drivetrain("profile", "diff", folder / "num_workers_0", folder / "num_workers_4", "--json")
    found = json.loads(done.stdout)
    assert (found["before"], found["after"]) == ("num_workers_0", "num_workers_4")
    assert found["host"][0]["name"] == "loader"
    for parts in (found["host"], found["device"]):
        assert sum(part["delta_us"] for part in parts) == pytest.approx(found["step"]["delta_us"], abs=1e-6)


def test_a_trace_without_any_event_cannot_be_compared(tmp_path: Path) -> None:
    empty = write(tmp_path / "empty.json", [])
    done = drivetrain("profile", "diff", empty, write(tmp_path / "b.json", waiting(10.0)))
    assert done.returncode == 65
    assert "Traceback" not in done.stderr
