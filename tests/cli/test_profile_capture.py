"""Asking a run that is running for a profile."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests import warm_nursery

from drivetrain.core.profiling import ProfileSpec
from drivetrain.launch import asked_profile, asking_for_profile, is_asked
from drivetrain.ledger import account
from drivetrain.store import RunFolder, create_run, list_runs, run_folder

SCRIPT = Path(__file__).parents[1] / "profile" / "capture" / "profiled_training.py"
ENDLESS = "100000000"


def drivetrain(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*warm_nursery.drivetrain(), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@contextmanager
def training(folder: Path, *options: str, steps: str = ENDLESS) -> Iterator[tuple[subprocess.Popen[str], RunFolder]]:
    """A launcher with its ranks, once these make steps."""
    command = [
        *warm_nursery.drivetrain(),
        "run",
        *options,
        "--",
        sys.executable,
        str(SCRIPT),
        str(folder),
        steps,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout.readline().startswith("run run-")
            yield process, run_folder(list_runs()[0].id)
        finally:
            (folder / "enough").touch()
            process.communicate(timeout=60)


def until_steps(run: RunFolder, process: subprocess.Popen[str], num_ranks: int) -> None:
    journals = [run.rank_journal(0, rank) for rank in range(num_ranks)]
    while process.poll() is None:
        if all(path.exists() and b'"k":"step_end"' in path.read_bytes() for path in journals):
            return
    raise AssertionError("ended before its first step")


@pytest.mark.slow
def test_a_run_is_profiled_while_it_runs_and_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    with training(tmp_path, "--ranks", "2") as (process, run):
        until_steps(run, process, 2)
        done = drivetrain("profile", run.id, "--steps", "2", "--ranks", "all", "--stacks")
        assert done.returncode == 0, done.stderr
        paths = [Path(line) for line in done.stdout.splitlines()]
        assert sorted(path.name.split(".", 3)[3] for path in paths) == [
            "json.gz",
            "json.gz",
            "stacks.txt",
            "stacks.txt",
        ]
        assert sorted(paths) == run.profile_files
        assert len({path.name.split(".")[2] for path in paths}) == 1  # the same steps on both
        assert f"drivetrain profile report {run.id}" in done.stderr
        assert "held up for" in done.stderr
        assert not run.profile_request.exists()
        again = drivetrain("profile", run.id, "--steps", "1", "--json")
        assert [(each["rank"], each["error"]) for each in json.loads(again.stdout)] == [(0, "")]
    assert process.returncode == 0
    steps, digest = (tmp_path / "weights").read_text().split()
    assert account(run).program_goodput_pct > 0
    (tmp_path / "enough").unlink()
    alone = drivetrain("run", "--ranks", "2", "--", sys.executable, str(SCRIPT), str(tmp_path), steps)
    assert alone.returncode == 0, alone.stderr
    assert (tmp_path / "weights").read_text().split() == [steps, digest]
    gone = drivetrain("profile", run.id)
    assert (gone.returncode, "is not running" in gone.stderr) == (2, True)


@pytest.mark.slow
def test_ctrl_c_takes_the_request_back_and_the_run_goes_on(tmp_path: Path) -> None:
    with training(tmp_path) as (process, run):
        until_steps(run, process, 1)
        unknown = drivetrain("profile", run.id, "--ranks", "0,5")
        assert unknown.returncode == 2
        assert "error: rank 5 of" in unknown.stderr
        command = [sys.executable, "-m", "drivetrain", "profile", run.id, "--steps", f"{ENDLESS}:100000003"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as asking:
            while not run.profile_request.exists():
                assert asking.poll() is None
            asking.send_signal(signal.SIGINT)
            _, errors = asking.communicate(timeout=60)
        assert (asking.returncode, errors.strip()) == (130, "interrupted")
        assert not run.profile_request.exists()
    assert process.returncode == 0
    assert not run.profile.exists()


@pytest.mark.slow
def test_a_run_that_ends_before_is_told(tmp_path: Path) -> None:
    with training(tmp_path) as (process, run):
        until_steps(run, process, 1)
        command = [sys.executable, "-m", "drivetrain", "profile", run.id, "--steps", f"{ENDLESS}:100000003"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as asking:
            while not run.profile_request.exists():
                assert asking.poll() is None
            (tmp_path / "enough").touch()
            _, errors = asking.communicate(timeout=60)
    assert asking.returncode == 1
    assert f"{run.id} ended before these steps were profiled" in errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["profile", "latest", "--steps", "x"], "'steps=x' cannot be read"),
        (["profile", "latest", "--ranks", "two"], "'ranks=two' cannot be read"),
        (["profile", "latest"], "is not running"),
        (["run", "--profile", "steps=", "--", "true"], "'steps=' cannot be read"),
        (["run", "--profile", "steps=3 ranks=1", "--", "true"], "rank 1 cannot be profiled: there are 1 ranks"),
    ],
)
def test_wrong_usage_is_one_error(arguments: list[str], message: str) -> None:
    create_run(["true"], 1)
    done = drivetrain(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("error: ") == 1


def test_a_request_that_cannot_be_read_is_nobodys() -> None:
    run = create_run(["true"], 1)
    with asking_for_profile(run, ProfileSpec(num_steps=3)) as first:
        assert asked_profile(run) == (first, ProfileSpec(num_steps=3))
        with asking_for_profile(run, ProfileSpec(num_steps=2)) as second:
            assert (is_asked(run, first), is_asked(run, second)) == (False, True)
    assert asked_profile(run) is None
    for text in (b"", b"[1]", b'{"id": "a", "spec": "steps=0"}', b"\xff"):
        run.profile_request.write_bytes(text)
        assert asked_profile(run) is None


@pytest.mark.slow
def test_a_rank_killed_in_a_profiled_step_costs_neither_the_run_nor_leaves_half_a_file(tmp_path: Path) -> None:
    command = ["--ranks", "2", "--", sys.executable, str(SCRIPT), str(tmp_path), "40"]
    assert drivetrain("run", *command).returncode == 0
    expected = (tmp_path / "weights").read_text()
    options = ["--profile", "steps=20:26 ranks=all", "--fault", "kill:rank=1,step=23"]
    done = drivetrain("run", *options, *command)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "weights").read_text() == expected
    run = run_folder(list_runs()[0].id)
    assert "rank 0, steps 23 to 25: a step took" in done.stderr
    assert "rank 1, steps 23 to 25: a step took" in done.stderr
    assert {path.name.split(".rank")[0] for path in run.profile.iterdir()} == {"attempt-1", "program.json"}
    assert not [path for path in run.profile.iterdir() if path.name.startswith(".")]
    for path in run.profile_files:
        trace = json.loads(gzip.decompress(path.read_bytes()))
        steps = [event["name"] for event in trace["traceEvents"] if event["name"].startswith("ProfilerStep#")]
        assert sorted(steps) == ["ProfilerStep#23", "ProfilerStep#24", "ProfilerStep#25"]
