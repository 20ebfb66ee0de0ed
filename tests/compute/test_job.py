"""What a person asks for becomes a job, or an error that says what is wrong with it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from drivetrain.compute.job import Job, job_of, job_values
from drivetrain.core.errors import ConfigError, UsageError


def job(**values: Any) -> Job:
    return job_of({"command": ["python", "train.py"], **values})


def test_texts_of_a_job_are_numbers_to_who_asks() -> None:
    found = job(nodes="2:4", gpus=8, memory="64GiB", priority="high", max_runtime="6h", array="0-99999", grace="1m")
    assert found.nodes_range == (2, 4)
    assert (found.gpu_milli, found.num_ranks, found.memory_bytes) == (8000, 8, 64 << 30)
    assert (found.priority_value, found.max_runtime_s, found.grace_s) == (200, 21600.0, 60.0)
    assert len(found.tasks) == 100_000


def test_a_part_of_an_accelerator_has_one_rank() -> None:
    assert (job(gpus=0.25).gpu_milli, job(gpus=0.25).num_ranks) == (250, 1)


def test_a_team_may_be_called_as_a_user_is() -> None:
    assert job(team="ana@site.org").team == "ana@site.org"


def test_a_file_says_the_same_as_flags(tmp_path: Path) -> None:
    path = tmp_path / "job.toml"
    path.write_text('command = ["python", "train.py"]\nnodes = "2:4"\n[env]\nSEED = "1"\n')
    assert job_of(job_values(path)) == job(nodes="2:4", env={"SEED": "1"})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"node": 2}, "unknown key node"),
        ({"command": []}, "a job has no command"),
        ({"nodes": "4:2"}, "the smaller number first"),
        ({"nodes": "many"}, "expected a number or a range"),
        ({"gpus": 1.5}, "whole ones, or a part of one"),
        ({"gpus": -1}, "gpus is -1.0, expected 0 to 1,000,000"),
        ({"ranks": 10**400}, "ranks is 10{39}, expected 0 to 1,000,000"),
        ({"gpus": 0.0001}, "gpus is 0.0001, expected 0, or 0.001 or more"),
        ({"team": "a b"}, "team 'a b': expected up to 63 letters"),
        ({"gpus": "eight"}, "gpus is a text, expected a number"),
        ({"memory": "much"}, "memory: 'much' is not a size"),
        ({"max_runtime": "6 fortnights"}, "max_runtime: .* is not a duration"),
        ({"priority": "hihg"}, "priority 'hihg' is not known"),
        ({"topology": "planet"}, "expected one of any"),
        ({"array": "9-0"}, "has 0 tasks"),
        ({"array": "0-9999999"}, "expected 1 to 1000000"),
        ({"pool": "a b"}, "expected up to 63 letters, digits"),
        ({"name": "two\nlines"}, "without control characters"),
        ({"secrets": {"KEY": "hunter2"}}, "is no place of one"),
        ({"secrets": {"KEY": "file:"}}, "is no place of one"),
        ({"secrets": {"KEY\n": "env:X"}}, r"secret 'KEY\\n' cannot be set"),
        ({"env": {"A=B": "1"}}, "variable 'A=B' cannot be set"),
        ({"env": {"A": "x" * (1 << 17)}}, "131071 in one word"),
        ({"command": ["x"] * (1 << 20) + ["y"]}, "may have 1048576 bytes"),
        ({"venv": "/a\0b"}, "is no path"),
        ({"name": "\ud800"}, "without control characters"),
        ({"name": "red \x9b31m"}, "without control characters"),
        ({"name": "\u202etxt.exe"}, "without control characters"),
        ({"nodes": "٣"}, "expected a number or a range"),
        ({"nodes": "1" * 5000}, "expected a number or a range"),
        ({"array": "0-9", "nodes": "1:1001"}, "up to 1000 workers"),
        ({"array": "0-2147483647"}, "expected numbers such as"),
        ({"max_runtime": "9" * 400 + "d"}, "max_runtime: the number is too large"),
        ({"max_runtime": "0s"}, "expected more than nothing"),
        ({"max_runtime": "4000d"}, "expected at most 3650d"),
        ({"priority": "9" * 11}, "priority is 99999999999, expected -1,000,000 to 1,000,000"),
        ({"priority": "-" + "9" * 400}, "expected -1,000,000 to 1,000,000"),
        ({"priority": 10**9}, "expected -1,000,000 to 1,000,000"),
    ],
)
def test_what_cannot_be_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        job(**values)


def test_the_nearest_key_and_priority_are_offered() -> None:
    with pytest.raises(UsageError) as refused:
        job(priorty="high")
    assert refused.value.hint == "did you mean priority?"
    with pytest.raises(UsageError) as refused:
        job(priority="hihg")
    assert refused.value.hint == "did you mean high?"


def test_a_secret_is_not_shown_by_its_error() -> None:
    with pytest.raises(UsageError) as refused:
        job(secrets={"KEY": "a-very-long-value-that-somebody-pasted"})
    assert "that-somebody-pasted" not in str(refused.value)


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        ("drivetrain run --ranks 2 -- python train.py --lr 0.1", "--ranks 2 -- python train.py --lr 0.1"),
        (
            "/opt/bin/drivetrain run --restarts=5 --ranks 2:8 python train.py",
            "--ranks 8 --retries 5 -- python train.py",
        ),
        ("python -m drivetrain run -- python 'a b.py'", "-- python 'a b.py'"),
        ("drivetrain run --help", "-- COMMAND"),
    ],
)
def test_a_launcher_as_the_command_is_refused_with_what_to_send_instead(command: str, hint: str) -> None:
    with pytest.raises(UsageError, match="a job starts its ranks itself") as refused:
        Job(command=tuple(shlex.split(command)))
    assert refused.value.hint == f"drivetrain submit {hint}"


@pytest.mark.parametrize(
    ("command", "more"),
    [
        ("drivetrain run --run run-01m7 -- python train.py", {}),  # it goes on whenever it is started
        ("drivetrain run -- python task.py", {"array": "0-9"}),  # each task is a thing of its own
        ("drivetrain data ingest log", {}),
        ("python -m drivetrain data ingest log", {}),
        ("drivetrain", {}),
        ("python train.py drivetrain run", {}),
    ],
)
def test_other_commands_of_ours_are_jobs_like_any(command: str, more: dict[str, Any]) -> None:
    assert Job(command=tuple(command.split()), **more).command == tuple(command.split())
