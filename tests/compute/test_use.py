"""Whether a job uses what it holds, told from a process that works and one that sleeps."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivetrain.compute.agent.use import DeviceUse
from drivetrain.compute.controller.states import AttemptRecord, AttemptState, JobRecord, JobState
from drivetrain.compute.controller.world import Settings, World
from drivetrain.compute.job import Job
from drivetrain.compute.policy.stops import stops
from drivetrain.compute.policy.values import Share

WORKS = "import time\nwhile time.process_time() < 2: pass\nprint(1, flush=True)\ntime.sleep(60)"
SLEEPS = "import time\nprint(1, flush=True)\ntime.sleep(60)"


@contextmanager
def _process(script: str) -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield
        finally:
            process.kill()


@pytest.mark.parametrize(("script", "is_busy"), [(WORKS, True), (SLEEPS, False)])
def test_cores_are_used_by_what_computes_and_not_by_what_sleeps(
    script: str, is_busy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    now_s = [0.0]
    with _process(SLEEPS):  # what is there before counts from now on
        use = DeviceUse(lambda: now_s[0])
        with _process(script):
            assert not use.is_busy(), "not looked yet"
            now_s[0] = 15.0
            assert use.is_busy() is is_busy


@pytest.mark.parametrize(("told", "is_busy"), [("0\n37\n", True), ("0\n0\n", False)])
def test_accelerators_that_a_job_has_count_instead_of_cores(
    told: str, is_busy: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\nprintf '{told}'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    now_s = [0.0]
    use = DeviceUse(lambda: now_s[0])
    with _process(WORKS):
        now_s[0] = 15.0
        assert use.is_busy() is is_busy


def test_a_job_without_steps_that_uses_its_devices_is_not_idle() -> None:
    job = JobRecord(
        id="job-1",
        job=Job(command=("true",), idle_after="1m"),
        user="u",
        team="t",
        run="r",
        folder="/",
        num_attempts=1,
        state=JobState.RUNNING,
    )
    attempt = AttemptRecord(
        id="job-1.0",
        job="job-1",
        number=0,
        shares=(Share("a", ((0, 1000),)),),
        pool="p",
        state=AttemptState.RUNNING,
        started_s=0.0,
        progress_s=0.0,
    )
    world = World([job], [attempt], [], Settings())
    world.used_devices("job-1.0", 100.0)
    assert not stops(world.snapshot(150.0).running, 150.0)
    assert "no use of its devices" in stops(world.snapshot(161.0).running, 161.0)[0].reason
