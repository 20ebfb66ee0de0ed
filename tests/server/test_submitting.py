"""`dt.Job(...).submit()`: jobs from Python, with the code of the folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.server_process import ServerProcess, wait_for_state

import drivetrain as dt
from drivetrain.compute.job import Job
from drivetrain.core.errors import UsageError


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


def test_it_is_the_job_of_files_and_flags_with_the_same_checks() -> None:
    assert issubclass(dt.Job, Job)
    with pytest.raises(UsageError, match="expected a number or a range"):
        dt.Job(command=("true",), nodes="many")
