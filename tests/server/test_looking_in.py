"""What people see of arrays and of jobs that end badly: how far they are, what failed, and what it said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.server.conftest import submit
from tests.server_process import ServerProcess, wait_for, wait_for_state

from drivetrain.cli.describe import deadline_words
from drivetrain.cli.group import drivetrain
from drivetrain.core.clock import utc_text
from drivetrain.core.errors import UsageError
from drivetrain.core.units import NS_PER_S
from drivetrain.server.client import Client

SCRIPT = 'echo begin $DRIVETRAIN_TASK; if [ $DRIVETRAIN_TASK = 2 ]; then printf "gone wrong"; exit 3; fi'


@pytest.fixture(autouse=True)
def ours(server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIVETRAIN_SERVER", server.url)
    monkeypatch.setenv("DRIVETRAIN_TOKEN", server.token)


def said(*arguments: str) -> Result:
    return CliRunner().invoke(drivetrain, arguments, catch_exceptions=False)


def test_an_array_that_failed_names_its_tasks_and_what_they_said(server: ServerProcess) -> None:
    client = server.client()
    array = submit(client, "sh", "-c", SCRIPT, array="0-9", nodes=1, retries=0)
    wait_for_state(client, array, "failed")
    wait_for(lambda: "gone wrong" in said("logs", array).stdout, "what the last task said")
    lines = said("describe", array).stdout.splitlines()
    assert "  tasks      9 of 10 succeeded, 1 failed, 0 given out, 0 waiting" in lines
    assert "  failed     task 2 with 3: gone wrong" in lines
    assert f"  output     drivetrain logs {array} --task 2" in lines
    assert not [line for line in lines if line.startswith("  run ")]
    (failed,) = json.loads(said("describe", "--json", array).stdout)["failed_tasks"]
    assert failed.pop("worker").startswith(f"{array}-")
    assert failed == {"task": 2, "exit_code": 3, "said": "gone wrong"}
    assert sorted(said("logs", array).stdout.splitlines()) == sorted(
        [f"[task {number}] begin {number}" for number in range(10)] + ["[task 2] gone wrong"]
    )
    assert said("logs", "--task", "2", array).stdout == "begin 2\ngone wrong\n"
    (row,) = [line for line in said("jobs").stdout.splitlines() if array in line]
    assert "failed 1 of 10" in row


def test_a_job_that_runs_shows_since_when_and_for_how_long_it_may(server: ServerProcess) -> None:
    client = server.client()
    job = submit(client, "sleep", "600", max_runtime="6h")
    (attempt,) = wait_for(lambda: [a for a in client.job(job)["attempts"] if a["state"] == "running"], "its start")
    shown = said("describe", job).stdout
    client.stop(job)
    wait_for_state(client, job, "stopped")
    assert "; priority normal; at most 6h\n" in shown
    (share,) = attempt["shares"]
    began = utc_text(int(attempt["started_s"] * NS_PER_S))
    assert f"running on {share['node']} of pool local since {began}\n" in shown


def test_an_array_that_runs_shows_how_far_it_is(server: ServerProcess) -> None:
    client = server.client()
    script = "[ $DRIVETRAIN_TASK = 0 ] || sleep 600"
    array = submit(client, "sh", "-c", script, array="0-4999", nodes=1)
    wait_for(lambda: client.job(array)["tasks"]["num_succeeded"] == 1, "a task")
    assert "  tasks      1 of 5,000 succeeded, 0 failed, " in said("describe", array).stdout
    wait_for(lambda: "running 1/5000" in said("jobs").stdout, "its worker to be heard")
    client.stop(array)
    wait_for_state(client, array, "stopped")
    wait_for(lambda: not client.job(array)["tasks"]["num_given_out"], "its tasks back")
    told = said("describe", array).stdout
    assert "  tasks      1 of 5,000 succeeded, 0 failed, 0 given out, 4,999 not done" in told
    assert "more than once" not in told


def test_a_job_that_made_way_for_another_has_no_exit_code_while_it_is_not_over(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = server.client()
    name = submit(client, "true")
    wait_for_state(client, name, "succeeded")
    over = client.job(name)
    shown = {**over, "exit_code": 143, "ended_s": None}
    monkeypatch.setattr(Client, "job", lambda *_: shown)
    assert "exit code" not in said("describe", name).stdout
    shown["ended_s"] = over["submitted_s"]
    assert "  exit code  143" in said("describe", name).stdout.splitlines()


def test_following_a_job_that_ends_badly_says_so(server: ServerProcess) -> None:
    client = server.client()
    good, bad = submit(client, "echo", "well"), submit(client, "false", retries=0)
    refused = submit(client, "true", nodes=99)
    followed = said("logs", "-f", good)
    assert (followed.exit_code, followed.stdout, followed.stderr) == (0, "[0] well\n", "")
    followed = said("logs", "-f", bad)
    assert followed.exit_code == 1
    assert followed.stderr.startswith(f"{bad} failed: ended with 1")
    assert said("logs", bad).exit_code == 0
    followed = said("logs", "-f", refused)
    assert (followed.exit_code, followed.stdout) == (1, "")
    assert followed.stderr.startswith(f"{refused} was refused: ")


def test_ranks_that_were_started_again_within_an_attempt_are_told_and_stand_between_what_they_print(
    server: ServerProcess,
) -> None:
    client = server.client()
    script = "echo begin $DRIVETRAIN_ATTEMPT; [ $DRIVETRAIN_ATTEMPT = 2 ] || kill -9 $$"
    job = submit(client, "sh", "-c", script, retries=3)
    wait_for_state(client, job, "succeeded")
    found = json.loads(said("describe", "--json", job).stdout)
    assert [attempt["number"] for attempt in found["attempts"]] == [0]
    assert [(each["attempt"], each["of_run"], each["reason"]) for each in found["restarts"]] == [
        (0, 1, "rank 0 was killed by SIGKILL"),
        (0, 2, "rank 0 was killed by SIGKILL"),
    ]
    (line,) = [line for line in said("describe", job).stdout.splitlines() if "again" in line]
    assert line.strip().startswith("ranks started again 2 times, last at 20")
    assert line.endswith(" UTC: rank 0 was killed by SIGKILL")
    shown = said("logs", job)
    assert [line.split(" at ")[0] for line in shown.stdout.splitlines()] == [
        "[0] begin 0",
        "--- started again",
        "[0] begin 1",
        "--- started again",
        "[0] begin 2",
    ]
    alone = said("logs", "--rank", "0", job)
    assert alone.stdout.splitlines() == ["begin 0", "begin 1", "begin 2"], "programs read what the rank printed"
    assert alone.stderr.count("--- started again at ") == 2
    assert said("logs", "--tail", "5", job).stdout == "[0] begin 2\n", "what its last attempt printed"


def test_the_last_lines_of_each_rank_and_what_comes_after_them_are_shown_alone(server: ServerProcess) -> None:
    client = server.client()
    job = submit(client, "sh", "-c", "for n in 1 2 3 4 5; do echo $n; done; printf 6", nodes=2)
    wait_for_state(client, job, "succeeded")
    for options in ((), ("-f",)):
        shown = said("logs", "--tail", "2", *options, job)
        assert sorted(shown.stdout.splitlines()) == ["[0] 5", "[0] 6", "[1] 5", "[1] 6"]
    assert said("logs", "--tail", "0", job).stdout == ""
    assert said("logs", "--tail", "900000", "--rank", "1", job).stdout.split() == list("123456")
    array = submit(client, "true", array="0-3")
    with pytest.raises(UsageError, match="--tail is of ranks"):
        said("logs", "--tail", "3", array)


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        (("--rank", "99"), "has no rank 99", "it has rank 0 alone"),
        (("--task", "3"), "--task is 3, but ", "--rank shows one rank's output"),
    ],
)
def test_logs_of_a_rank_or_task_that_a_job_has_not_say_which_there_are(
    options: tuple[str, str], message: str, hint: str, server: ServerProcess
) -> None:
    job = submit(server.client(), "true")
    with pytest.raises(UsageError, match=message) as caught:
        said("logs", *options, job)
    assert caught.value.hint == hint


def test_logs_of_a_task_that_an_array_has_not_say_which_there_are(server: ServerProcess) -> None:
    array = submit(server.client(), "true", array="5-9", nodes=1)
    with pytest.raises(UsageError, match="has no task 3") as caught:
        said("logs", "--task", "3", array)
    assert caught.value.hint == "its tasks are 5 to 9"


def test_a_deadline_is_shown_with_whether_it_was_met(server: ServerProcess) -> None:
    client = server.client()
    met = submit(client, "true", deadline="1h")
    wait_for_state(client, met, "succeeded")
    (line,) = [line for line in said("describe", met).stdout.splitlines() if line.startswith("  deadline ")]
    assert line.endswith(" UTC: met")
    found = json.loads(said("describe", "--json", met).stdout)
    assert found["deadline_s"] == found["submitted_s"] + 3600


@pytest.mark.parametrize(
    ("state", "ended_s", "words"),
    [
        ("running", None, "1970-01-01 00:01:40 UTC: in 1 m 00 s"),
        ("succeeded", 104.0, "1970-01-01 00:01:40 UTC: missed, ended 4.00 s late"),
        ("failed", 90.0, "1970-01-01 00:01:40 UTC"),
    ],
)
def test_a_deadline_says_how_late_a_job_is(state: str, ended_s: float | None, words: str) -> None:
    assert deadline_words({"deadline_s": 100.0, "ended_s": ended_s, "state": state}, 40.0) == words


def test_a_job_that_runs_past_its_deadline_says_how_late_it_is_so_far() -> None:
    late = deadline_words({"deadline_s": 100.0, "ended_s": None, "state": "running"}, 130.0)
    assert late == "1970-01-01 00:01:40 UTC: missed, late by 30.0 s so far"


def test_what_a_loop_with_checkpoints_of_its_own_has_saved_is_shown(server: ServerProcess, tmp_path: Path) -> None:
    script = tmp_path / "own.py"
    script.write_text(
        "import drivetrain as dt\n"
        "for step in range(9):\n"
        "    dt.step_done(step)\n"
        "    if step == 5:\n"
        "        with dt.phase('checkpoint'):\n"
        "            pass\n"
    )
    client = server.client()
    job = submit(client, "python", str(script))
    wait_for_state(client, job, "succeeded")
    (line,) = [line for line in said("describe", job).stdout.splitlines() if "attempt 0" in line]
    assert "; reached step 9; saved at step 6" in line
