"""What a job begins with: a folder, a python, the variables that are its business; and what it says where it cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.server.conftest import printed, submit
from tests.server_process import ServerProcess, bare_venv, wait_for_state

from drivetrain.compute.job import Job
from drivetrain.compute.snapshot import take


def test_a_job_whose_python_is_not_there_fails_at_once_and_says_so(server: ServerProcess) -> None:
    client = server.client()
    told = wait_for_state(client, submit(client, "true", venv="/nonexistent"), "failed")
    assert "there is no python to start at /nonexistent/bin/python" in told["reason"]


def test_a_job_whose_python_no_try_can_start_fails_at_once(server: ServerProcess, tmp_path: Path) -> None:
    client = server.client()
    python = tmp_path / "no-program" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("neither a script nor a program")
    python.chmod(0o755)
    for venv, why in ((str(python.parents[1]), "Exec format error"), ("/" + "x" * 300, "File name too long")):
        told = wait_for_state(client, submit(client, "true", venv=venv, pool="local"), "failed")
        assert why in told["reason"]
        assert told["num_attempts"] == 1
    assert len(told["attempts"]) == 1


def test_a_job_whose_python_has_no_drivetrain_fails_at_once_and_says_so(server: ServerProcess, tmp_path: Path) -> None:
    client = server.client()
    told = wait_for_state(client, submit(client, "true", venv=str(bare_venv(tmp_path))), "failed")
    assert "No module named 'drivetrain'" in told["reason"]
    assert len(told["attempts"]) == 1


def test_a_job_whose_program_is_not_there_fails_and_says_so(server: ServerProcess) -> None:
    client = server.client()
    told = wait_for_state(client, submit(client, "no-such-program"), "failed")
    assert "no-such-program" in told["reason"]
    assert len(told["attempts"]) == 1


def test_a_job_runs_in_its_folder_also_where_no_file_of_that_was_sent(server: ServerProcess, tmp_path: Path) -> None:
    (tmp_path / "word.txt").write_text("a")
    client, manifest = server.client(), take(tmp_path)
    client.send_code(manifest, tmp_path)
    job = Job(command=("sh", "-c", "basename $PWD; cat ../../word.txt"))
    name = client.submit(job, snapshot=manifest.id, folder="new/sub")["id"]
    assert printed(client, name) == "sub\na"


def test_ranks_see_no_variable_of_the_server_that_is_not_their_business(
    make_server: Callable[..., ServerProcess],
) -> None:
    server = make_server(env={"DATABASE": "postgresql://u:word@h/d", "PGPASSWORD": "word", "CUDA_CACHE_PATH": "/c"})
    client = server.client()
    text = printed(client, submit(client, "env", env={"OWN": "its"}))
    names = {line.partition("=")[0] for line in text.splitlines()}
    assert {"PATH", "HOME", "OWN", "CUDA_CACHE_PATH", "DRIVETRAIN_JOB"} <= names
    assert not {"DATABASE", "PGPASSWORD", "DRIVETRAIN_TOKEN"} & names
    assert "word" not in text
