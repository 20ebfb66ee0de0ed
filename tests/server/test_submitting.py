"""`dt.Job(...).submit()`: jobs from Python, with the code of the folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.server_process import ServerProcess, wait_for, wait_for_state

import drivetrain as dt
from drivetrain.cli.group import drivetrain
from drivetrain.compute.controller.states import JobState
from drivetrain.compute.job import Job
from drivetrain.core.errors import UsageError
from drivetrain.server.client import FINAL


def test_what_clients_take_to_be_over_is_over_to_a_server() -> None:
    assert {state for state in JobState if state.is_final} == set(FINAL)


def test_a_job_of_a_program_runs_with_the_code_of_its_folder(
    make_server: Callable[..., ServerProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = make_server()
    code = tmp_path / "code"
    code.mkdir()
    (code / "word.txt").write_text("a word")
    monkeypatch.setenv("DRIVETRAIN_HOME", str(server.home))
    monkeypatch.chdir(code)
    sent = dt.Job(command=("sh", "-c", 'test "$(cat word.txt)" = "a word"'), name="words").submit()
    assert sent.wait() == "succeeded"
    assert sent.describe()["job"]["name"] == "words"
    assert repr(sent) == f"Submitted('{sent.id}')"
    in_place = dt.Job(command=("sleep", "600")).submit(here=True)
    wait_for_state(server.client(), in_place.id, "running")
    in_place.stop()
    assert in_place.wait() == "stopped"
    assert in_place.describe()["folder"] == str(code)


def test_a_lock_file_that_does_not_travel_is_told_at_once(
    server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIVETRAIN_SERVER", server.url)
    monkeypatch.setenv("DRIVETRAIN_TOKEN", server.token)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.lock").touch()
    for more in ([], ["--dry-run"]):
        asked = ["submit", "--lock", "nofile.lock", *more, "--", "true"]
        with pytest.raises(UsageError, match=r"lock 'nofile.lock': there is no such file in the code"):
            CliRunner().invoke(drivetrain, asked, catch_exceptions=False)
    sent = dt.Job(command=("true",), lock="there.lock").submit()
    sent.stop()
    assert sent.wait() in FINAL


def test_what_ran_runs_again_with_the_code_it_had(
    make_server: Callable[..., ServerProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = make_server()
    code = tmp_path / "code"
    code.mkdir()
    (code / "word.txt").write_text("as it was\n")
    monkeypatch.setenv("DRIVETRAIN_HOME", str(server.home))
    monkeypatch.chdir(code)
    first = dt.Job(command=("sh", "-c", 'cat word.txt; echo "$WITH"'), name="words", env={"WITH": "this"}).submit()
    assert first.wait() == "succeeded"
    (code / "word.txt").write_text("changed since\n")
    again = CliRunner().invoke(drivetrain, ["resubmit", first.id], catch_exceptions=False).stdout.strip()
    client = server.client()
    wait_for_state(client, again, "succeeded")

    def said() -> list[str]:
        return CliRunner().invoke(drivetrain, ["logs", "--rank", "0", again]).stdout.splitlines()

    wait_for(lambda: said() == ["as it was", "this"], "its output")
    before, after = client.job(first.id), client.job(again)
    assert {key: after[key] for key in ("job", "snapshot", "folder")} == {
        key: before[key] for key in ("job", "snapshot", "folder")
    }


def test_it_is_the_job_of_files_and_flags_with_the_same_checks() -> None:
    assert issubclass(dt.Job, Job)
    with pytest.raises(UsageError, match="expected a number or a range"):
        dt.Job(command=("true",), nodes="many")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"command": "python train.py"}, "command is a text, expected a list"),
        ({"command": ["head", "-n", 3]}, r"command\[2\] is a whole number, expected a text"),
        ({"gpus": "2"}, "gpus is a text, expected a number"),
        ({"max_runtime": 60}, "max_runtime is a whole number, expected a text"),
        ({"env": {"LEVEL": 1}}, r"env\.LEVEL is a whole number, expected a text"),
        ({"array": range(5)}, "array is range, expected a text"),
        ({"team": None}, "team is nothing, expected a text"),
    ],
)
def test_a_value_of_another_type_is_named_as_in_a_job_file(values: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=f"^dt.Job: {words}"):
        dt.Job(**{"command": ["true"]} | values)
