"""A command and a server of another version, one that asks for patience, and one that does not come up."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from drivetrain.cli.group import drivetrain
from drivetrain.core.errors import StoreError
from drivetrain.server import client as client_module
from drivetrain.server.client import SERVER, TOKEN
from drivetrain.server.database import open_database

Answers = list[tuple[int, Any]]
JOB = {"id": "job-1", "state": "succeeded", "user": "ana", "team": "maps", "submitted_s": 0.0, "reason": ""}
ASKED = {"command": ["true"], "name": "", "nodes": 1, "gpus": 0, "cpus": 0, "ranks": 0, "memory": "", "pool": ""}
MORE = {"priority": "normal", "preemptible": False, "max_runtime": ""}


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Answers]]:
    """Stands for a server that gives these answers, one by one; gives those that are left."""
    left: Answers = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            status, value = left.pop(0)
            content = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - as the library calls it

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv(SERVER, f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv(TOKEN, "a-token")

    def answer(*answers: tuple[int, Any]) -> Answers:
        left.extend(answers)
        return left

    yield answer
    server.shutdown()
    thread.join()
    server.server_close()


def said(*words: str) -> Result:
    return CliRunner().invoke(drivetrain, words)


def test_an_older_server_that_does_not_say_all_is_named_as_that(answering: Callable[..., Answers]) -> None:
    answering((200, JOB | {"job": ASKED | MORE}))
    error = said("describe", "job-1").exception
    assert isinstance(error, StoreError)
    assert "the server says nothing of 'deadline_s'" in error.message
    assert "older version" in error.hint


def test_logs_of_a_newer_server_s_job_are_shown_though_it_has_a_key_that_is_not_known(
    answering: Callable[..., Answers],
) -> None:
    piece = {"file": "f", "attempt": 0, "rank": 0, "text": "hello\n", "end": 6}
    answering(
        (200, JOB | {"job": ASKED | MORE | {"colour": "red"}}),
        (200, {"job": "job-1", "pieces": [piece], "state": "succeeded"}),
        (200, {"job": "job-1", "pieces": [], "state": "succeeded"}),
    )
    assert said("logs", "job-1").stdout == "[0] hello\n"


def test_who_asks_too_often_is_answered_later(
    answering: Callable[..., Answers], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "_PAUSE_S", 0.0)
    too_many = (429, {"detail": "too many requests: expected at most 500 a second with one token"})
    answering(too_many, too_many, (200, [JOB | {"job": ASKED | MORE}]))
    assert json.loads(said("jobs", "--json").stdout)[0]["id"] == "job-1"
    monkeypatch.setattr(client_module, "_MOST_PAUSES", 0)
    left = answering(too_many, (200, []))
    error = said("jobs").exception
    assert isinstance(error, StoreError)
    assert "at most 500 a second with one token" in error.message
    assert len(left) == 1


def test_a_command_says_why_the_server_that_it_starts_does_not_come_up(own_home: Path) -> None:
    database = open_database()
    with database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.dispose()
    error = said("jobs").exception
    assert isinstance(error, StoreError)
    assert "a server for this machine did not come up: the database" in error.message
    assert "its tables are of version 9999" in error.message
    assert error.hint == f"see {own_home / 'server' / 'server.log'}"
