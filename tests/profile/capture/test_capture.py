"""Steps of a run in this process, profiled."""

from __future__ import annotations

import gzip
import itertools
import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.profiler import profile
from torch.profiler.profiler import _KinetoProfile

import drivetrain as dt
from drivetrain.core.profiling import ProfileSpec
from drivetrain.launch import asking_for_profile
from drivetrain.store import Captured, Program, create_run, read_captured
from drivetrain.train.observer import attach

X = torch.randn(8, 16, generator=torch.Generator().manual_seed(0))
FORWARD = 2 * 8 * (16 * 32 + 32)
FLOPS = 2 * FORWARD + 2 * 8 * 32  # weights' gradients as the forward, and the hidden layer's


def train(spec: str, until: int = 8, *, loader: object = (X,), **settings: Any) -> tuple[dt.Run, nn.Module]:
    with dt.Run(device="cpu", seed=3, **settings) as run:
        network = nn.Sequential(nn.Linear(16, 32), nn.Dropout(0.5), nn.Linear(32, 1))
        optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
        model, _, batches = run.setup(network, optimizer, loader)
        if spec:
            run.profile(spec)
        for x in run.steps(batches, until=until):
            run.step(model(x).square().mean())
            with run.phase("eval"), torch.no_grad():
                model(x)
    return run, network


def events(run: dt.Run, number: int = 0) -> list[dict[str, Any]]:
    traces = [path for path in run.folder.profile_files if path.name.endswith(".json.gz")]
    with gzip.open(traces[number]) as file:
        found = json.load(file)["traceEvents"]
    return sorted((event for event in found if event.get("ph") == "X"), key=lambda event: event["ts"])


def named(found: list[dict[str, Any]], beginning: str) -> list[str]:
    return [event["name"] for event in found if event["name"].startswith(beginning)]


def program(run: dt.Run) -> dict[str, Any]:
    return json.loads((run.folder.profile / "program.json").read_bytes())


def test_the_steps_asked_for_are_in_the_trace_under_the_runs_own_numbers() -> None:
    run, _ = train("steps=4:6")
    assert named(events(run), "ProfilerStep#") == ["ProfilerStep#4", "ProfilerStep#5"]
    names = sorted(path.name for path in run.folder.profile.iterdir())
    assert names == [
        "attempt-0.rank-0.steps-4-6.capture.json",
        "attempt-0.rank-0.steps-4-6.json.gz",
        "program.json",
    ]
    assert [path.name for path in run.folder.profile_files] == names[1:2]


def test_the_next_steps_begin_after_one_that_warms_up() -> None:
    run, _ = train("steps=2")
    assert named(events(run), "ProfilerStep#") == ["ProfilerStep#1", "ProfilerStep#2"]


def test_the_first_steps_can_be_profiled_and_counted_after() -> None:
    run, _ = train("steps=0:2")
    assert named(events(run), "ProfilerStep#") == ["ProfilerStep#0", "ProfilerStep#1"]
    assert program(run)["step"] == 2


def test_a_profiled_run_has_the_weights_of_one_that_is_not() -> None:
    plain, profiled = train("")[1], train("steps=2:5 memory stacks")[1]
    for a, b in zip(plain.parameters(), profiled.parameters(), strict=True):
        assert torch.equal(a, b)


def test_phases_are_annotations_that_do_not_overlap_and_modules_have_theirs() -> None:
    found = events(train("steps=3:5")[0])
    phases = [event for event in found if event["name"].startswith("drivetrain ")]
    assert {event["name"] for event in phases} == {"drivetrain data_wait", "drivetrain eval"}
    for before, after in itertools.pairwise(phases):
        assert before["ts"] + before["dur"] <= after["ts"] + 1e-3
    assert named(found, "nn.Module: ")[:4] == ["nn.Module: Sequential", *(f"nn.Module: {i}" for i in range(3))]


def test_what_it_cost_is_kept_beside_it() -> None:
    run, _ = train("steps=7:9", until=10)
    (captured,) = read_captured(run.folder.profile)
    assert (captured.rank, captured.first, captured.until) == (0, 7, 9)
    assert captured.during_ns > 0
    assert captured.before_ns > 0
    assert captured.held_up_ns > 0
    assert captured.cost_pct == pytest.approx(100 * (captured.during_ns / captured.before_ns - 1))


def test_a_models_arithmetic_is_that_of_its_forward_and_backward_alone() -> None:
    run, _ = train("steps=4:5")
    found = Program(**program(run))
    assert (found.flops_per_step, found.dtype, found.device, found.step) == (FLOPS, "float32", "cpu", 3)
    assert found.peak_flops_per_s > 0
    account = dt.account(run.id)
    assert account.ideal_ns == round(account.num_steps_kept * FLOPS / found.peak_flops_per_s * 1e9)
    assert account.program_goodput_pct == 100 * account.ideal_ns / account.leaves["productive"]


def test_microbatches_add_up_and_what_is_computed_again_does_not_count() -> None:
    class Halves:
        batch_size = 4

        def __iter__(self):
            return iter([X[:4], X[4:]])

    assert program(train("steps=3:4", loader=Halves(), global_batch=8)[0])["flops_per_step"] == FLOPS
    assert program(train("steps=3:4", recompute="full")[0])["flops_per_step"] == FLOPS


def test_a_run_that_is_not_profiled_has_no_program_goodput() -> None:
    run, _ = train("")
    assert dt.account(run.id).program_goodput_pct is None
    assert not run.folder.profile.exists()
    assert run.folder.profile_files == []


def test_memory_and_stacks_are_recorded_where_they_are_asked_for() -> None:
    def slow():
        while True:
            torch.linalg.svd(torch.eye(120))
            yield X

    run, _ = train("steps=1:4 memory stacks", until=5, loader=slow())
    with gzip.open(run.folder.profile / "attempt-0.rank-0.steps-1-4.json.gz") as file:
        assert any(event["name"] == "[memory]" for event in json.load(file)["traceEvents"])
    stacks = (run.folder.profile / "attempt-0.rank-0.steps-1-4.stacks.txt").read_text()
    assert "MainThread;" in stacks
    assert all(line.rpartition(" ")[2].isdecimal() for line in stacks.splitlines())
    assert "drivetrain-" not in stacks


def test_a_loop_that_ends_early_keeps_the_steps_that_are_whole() -> None:
    run, _ = train("steps=5:50")
    assert named(events(run), "ProfilerStep#") == ["ProfilerStep#5", "ProfilerStep#6", "ProfilerStep#7"]
    assert run.folder.profile_files[0].name == "attempt-0.rank-0.steps-5-8.json.gz"


def test_a_run_that_fails_in_a_profiled_step_leaves_nothing_and_the_profiler_off() -> None:
    runs: list[dt.Run] = []

    def fail_at_4() -> None:
        with dt.Run(device="cpu") as run:
            runs.append(run)
            network = nn.Linear(16, 1)
            model, _, batches = run.setup(network, torch.optim.SGD(network.parameters(), lr=0.1), [X])
            run.profile("steps=1:9")
            for x in run.steps(batches, until=9):
                run.step(model(x if run.step_index < 4 else x.T).square().mean())

    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        fail_at_4()
    run = runs[0]
    assert run.folder.profile_files == []
    assert read_captured(run.folder.profile) == []
    assert read_captured(train("steps=1:2")[0].folder.profile)[0].error == ""


def test_two_profiles_of_one_run_follow_each_other() -> None:
    with dt.Run(device="cpu") as run:
        network = nn.Linear(16, 1)
        model, _, batches = run.setup(network, torch.optim.SGD(network.parameters(), lr=0.1), [X])
        run.profile("steps=6:7")
        run.profile("steps=2:4")
        for x in run.steps(batches, until=9):
            run.step(model(x).square().mean())
    assert [(each.first, each.until) for each in read_captured(run.folder.profile)] == [(2, 4), (6, 7)]


def test_a_person_who_asks_gets_the_next_steps() -> None:
    with dt.Run(device="cpu") as run:
        network = nn.Linear(16, 1)
        model, _, batches = run.setup(network, torch.optim.SGD(network.parameters(), lr=0.1), [X])
        with asking_for_profile(run.folder, ProfileSpec(num_steps=2)) as request:
            for x in run.steps(batches, until=10**9):
                run.step(model(x).square().mean())
                if run.folder.profile.exists() and read_captured(run.folder.profile, request):
                    run.stop()
    (captured,) = read_captured(run.folder.profile)
    assert captured.until - captured.first == 2
    assert named(events(run), "ProfilerStep#") == [f"ProfilerStep#{i}" for i in range(captured.first, captured.until)]


def test_a_disk_that_is_full_is_one_warning_and_training_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def cut_short(_: _KinetoProfile, path: str) -> None:
        Path(path).write_text('{"traceEvents": [{"ph"')

    monkeypatch.setattr(_KinetoProfile, "export_chrome_trace", cut_short)
    with caplog.at_level(logging.WARNING, logger="drivetrain"):
        run, _ = train("steps=2:4")
    assert run.step_index == 8
    (told,) = caplog.messages
    assert "cannot write" in told
    (captured,) = read_captured(run.folder.profile)
    assert "lacks its end" in captured.error
    assert run.folder.profile_files == []
    assert [path.name for path in run.folder.profile.iterdir() if path.name.startswith(".")] == []


def test_a_program_with_a_profiler_of_its_own_keeps_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="drivetrain"), profile() as own:
        run, _ = train("steps=2:4")
    assert run.step_index == 8
    assert len(caplog.messages) == 1
    assert "already" in caplog.messages[0]
    assert any("Optimizer.step" in event.name for event in own.events())


def test_what_a_killed_process_left_unfinished_goes_and_what_is_whole_is_not_done_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = create_run(["python"], 1)
    run.profile.mkdir()
    left = run.profile / ".attempt-0.rank-0.steps-2-4.json.gz.77.incomplete"
    others = run.profile / ".attempt-0.rank-1.steps-2-4.json.gz.77.incomplete"
    left.touch()
    others.touch()
    monkeypatch.setenv("DRIVETRAIN_RUN", run.id)
    monkeypatch.setenv("DRIVETRAIN_PROFILE", "steps=2:4")
    for attempt in range(2):
        monkeypatch.setenv("DRIVETRAIN_ATTEMPT", str(attempt))
        train("")
    assert [(each.attempt, each.first, each.until) for each in read_captured(run.profile)] == [(0, 2, 4)]
    assert len(run.profile_files) == 1
    assert [left.exists(), others.exists()] == [False, True]


def test_a_record_of_a_newer_version_is_read_and_a_torn_one_left_out(tmp_path: Path) -> None:
    (tmp_path / "attempt-0.rank-0.steps-1-2.capture.json").write_text('{"request": "x", "rank"')
    newer = dict.fromkeys(Captured.__struct_fields__, 0) | {"files": [], "request": "x", "error": "", "new": [1]}
    (tmp_path / "attempt-0.rank-1.steps-1-2.capture.json").write_text(json.dumps(newer))
    assert [each.request for each in read_captured(tmp_path)] == ["x"]


def test_a_loop_of_somebody_elses_is_profiled_too(monkeypatch: pytest.MonkeyPatch) -> None:
    run = create_run(["python"], 1)
    monkeypatch.setenv("DRIVETRAIN_RUN", run.id)
    monkeypatch.setenv("DRIVETRAIN_PROFILE", "steps=3:5")
    observer = attach("a test")
    observer.training_begins(0)
    for step in range(8):
        observer.step_begins(step)
        X.square().sum()
        with observer.phase("eval"):
            X.sum()
        observer.step_ends(step + 1)
    observer.training_ends()
    observer.close()
    (captured,) = read_captured(run.profile)
    assert (captured.first, captured.until, captured.error) == (3, 5, "")
    with gzip.open(run.profile / captured.files[0]) as file:
        found = sorted(json.load(file)["traceEvents"], key=lambda event: event.get("ts", 0))
    names = named(found, "ProfilerStep#") + named(found, "drivetrain ")
    assert names[:2] == ["ProfilerStep#3", "ProfilerStep#4"]
    assert set(names[2:]) == {"drivetrain data_wait", "drivetrain eval"}
