"""Who waits for a job waits for its server, too, where that is away."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from tests.server.conftest import submit
from tests.server_process import ServerProcess

from drivetrain.core.errors import StoreError, UsageError
from drivetrain.server import patient
from drivetrain.server.client import SERVER, TOKEN
from drivetrain.server.patient import PatientClient
from drivetrain.server.submitting import Submitted


def test_a_job_that_is_followed_is_followed_on_when_its_server_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_server: Any
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])
    server: ServerProcess = make_server(options=("--port", port))
    monkeypatch.setenv(SERVER, server.url)
    monkeypatch.setenv(TOKEN, server.token)
    text = f"echo one; while [ ! -e {tmp_path}/go ]; do sleep 0.1; done; echo two"
    job = submit(server.client(), "sh", "-c", text)
    away: list[str] = []

    def comes_back(why: str) -> None:
        away.append(why)
        server.start()
        (tmp_path / "go").touch()

    client = PatientClient(server.client(), comes_back)
    pieces = client.logs(job, rank=0)
    assert next(pieces)["text"] == "one\n"
    server.kill()
    assert "".join(piece["text"] for piece in pieces) == "two\n"
    assert len(away) == 1
    assert "does not answer" in away[0]
    server.kill()
    assert client.job(job)["state"] == "succeeded"


class Answering:
    """A server that is away at first."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)

    def ask(self, *_: object) -> object:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_waiting_for_a_job_goes_on_while_no_server_answers_and_ends_where_one_refuses(
    monkeypatch: pytest.MonkeyPatch, own_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(patient, "_LONGEST_PAUSE_S", 0.0)
    monkeypatch.setattr(patient, "_PAUSE_S", 0.0)
    away = StoreError("the database does not answer")
    server: Any = Answering(away, {"state": "running"}, away, away, {"state": "stopped"})
    assert Submitted(server, {"id": "job-1"}).wait() == "stopped"
    assert set(caplog.messages) == {"the database does not answer; waiting for it"}
    server = Answering(UsageError("there is no job job-1"))
    with pytest.raises(UsageError):
        Submitted(server, {"id": "job-1"}).wait()
