from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from drivetrain.store import list_runs


def drivetrain(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "drivetrain", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60)


def test_ranks_print_with_their_prefix_and_the_end_says_where_to_look(tmp_path: Path) -> None:
    done = drivetrain("run", "--ranks", "2", "--name", "small", "--", "sh", "-c", "echo $RANK", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == ["[rank 0] 0", "[rank 1] 1"]
    (manifest,) = list_runs()
    assert (manifest.name, manifest.num_ranks, manifest.command) == ("small", 2, ["sh", "-c", "echo $RANK"])
    first, last = done.stderr.splitlines()
    assert first == f"run {manifest.id}"
    assert last.startswith("goodput 0.0 % of ")
    assert last.endswith(f"drivetrain report {manifest.id}")
    assert "of 0 ns" not in last


def test_a_run_within_a_job_is_told_from_the_jobs_own_which_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIVETRAIN_JOB", "job-1")
    done = drivetrain("run", "--", "true", cwd=tmp_path)
    assert done.stderr.splitlines()[:2] == [
        "warning: job-1 has a run already; this is another, which begins anew whenever the job is started again",
        "hint: have the job start its ranks: drivetrain submit --ranks N -- COMMAND",
    ]
    assert "warning" not in drivetrain("run", "--run", "latest", cwd=tmp_path).stderr
    monkeypatch.setenv("DRIVETRAIN_TASK", "7")
    assert "warning" not in drivetrain("run", "--", "true", cwd=tmp_path).stderr


def test_a_failed_run_says_why_and_exits_with_the_ranks_code(tmp_path: Path) -> None:
    done = drivetrain("run", "--restarts", "0", "--", "sh", "-c", "echo broken >&2; exit 3", cwd=tmp_path)
    assert done.returncode == 3
    assert "error: rank 0 left with exit code 3, its last words: broken. Gave up after 1 attempt" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ranks", "0", "--", "true"], "--ranks is 0, expected 1 or more"),
        (["--ranks", "8:2", "--", "true"], "hint: --ranks 2:8"),
        (["--ranks", "a:b", "--", "true"], "--ranks is 'a:b'"),
        (["--", "no-such-program"], "there is no program no-such-program"),
        (["--", "python", "no-such-script.py"], "there is no script no-such-script.py"),
        (["--hang-after", "5 apples", "--", "true"], "--hang-after"),
        (["--fault", "melt", "--", "true"], "'melt' is no fault"),
        (["--run", "run-x", "--", "true"], "there are no runs"),
        ([], "there is no command"),
    ],
)
def test_wrong_usage_is_one_error_exit_2_and_no_run(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = drivetrain("run", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("error: ") == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list_runs() == []


def test_a_program_that_is_not_executable_is_told_from_one_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "count.py").write_text("print(1)\n")
    done = drivetrain("run", "--", "./count.py", cwd=tmp_path)
    assert done.returncode == 2
    assert "error: ./count.py is not executable" in done.stderr
    assert "hint: chmod +x ./count.py, or name what runs it, such as: python ./count.py" in done.stderr


def test_an_option_that_does_not_exist_is_named_with_the_nearest(tmp_path: Path) -> None:
    done = drivetrain("run", "--rank", "2", "--", "true", cwd=tmp_path)
    assert done.returncode == 2
    assert "No such option" in done.stderr
    assert "--ranks" in done.stderr.splitlines()[-1]
    assert list_runs() == []


def test_what_follows_the_command_is_the_commands(tmp_path: Path) -> None:
    done = drivetrain("run", "sh", "-c", "echo $1", "sh", "--ranks", cwd=tmp_path)
    assert done.stdout == "--ranks\n"


def test_a_dry_run_prints_the_requests_and_starts_nothing(tmp_path: Path, own_home: Path) -> None:
    done = drivetrain("run", "--ranks", "2", "--dry-run", "--", "python", "-m", "json.tool", cwd=tmp_path)
    shown = json.loads(done.stdout)
    assert [(request["how"], request["argv"], request["env"]["RANK"]) for request in shown] == [
        ("module", ["json.tool"], "0"),
        ("module", ["json.tool"], "1"),
    ]
    assert not own_home.exists()


def test_a_run_is_continued_with_its_own_command_and_ranks(tmp_path: Path) -> None:
    drivetrain("run", "--ranks", "2", "--", "sh", "-c", "echo try $DRIVETRAIN_ATTEMPT", cwd=tmp_path)
    done = drivetrain("run", "--run", "latest", cwd=tmp_path)
    assert sorted(done.stdout.splitlines()) == ["[rank 0] try 1", "[rank 1] try 1"]


def test_ctrl_c_exits_130(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "drivetrain", "run", "--", "sh", "-c", "echo ready; sleep 60"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "stopped by SIGINT" in errors
