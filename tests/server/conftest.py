"""Real servers on both databases, for tests that ask them over HTTP as anybody would."""

from __future__ import annotations

import http.client
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.postgres_server import PostgresServer, programs
from tests.server_process import ServerProcess, wait_for

from drivetrain.compute.agent.leftovers import marked
from drivetrain.compute.job import Job
from drivetrain.server.client import Client

DATABASES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL; a test that wants it is skipped where it is not installed, and fails in CI."""
    if programs() is None:
        reason = "PostgreSQL is not installed: apt-get install postgresql"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    server = PostgresServer()
    server.up()
    yield server
    server.remove()


@pytest.fixture(scope="session", params=DATABASES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server on each database for all tests that leave it alive."""
    home = tmp_path_factory.mktemp(request.param)
    database = ""
    if request.param == "postgresql":
        database = request.getfixturevalue("postgres").database("shared")
    process = ServerProcess(home, database=database).start()
    yield process
    process.stop()
    end_agents(home)


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Servers of a test's own; ended with it, and their agents."""
    made: list[ServerProcess] = []

    def make(home: Path | None = None, **settings: Any) -> ServerProcess:
        made.append(ServerProcess(home or tmp_path / "home", **settings))
        return made[-1].start()

    yield make
    for process in made:
        process.kill()
    for home in {process.home for process in made}:
        end_agents(home)


def end_agents(home: Path) -> None:
    """Kill what a server has left running."""
    attempts = {folder.name for folder in (home / "agents").glob("*")}

    def left() -> list[int]:
        return [pid for agent, pids in marked().items() if agent.rpartition(".")[0] in attempts for pid in pids]

    def kill() -> bool:
        for pid in left():
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                continue
        return not left()

    wait_for(kill, "the end of agents")


def submit(client: Client, *command: str, **asked: Any) -> str:
    """Have a command run in the folder /; its job."""
    key = asked.pop("key", "")
    return str(client.submit(Job(command=command, **asked), snapshot="", folder="/", key=key)["id"])


def printed(client: Client, job: str, *, rank: int | None = None) -> str:
    """What a job printed, to its end."""
    return "".join(piece["text"] for piece in client.logs(job, rank=rank, follow=True))


def somebody(server: ServerProcess, role: str, teams: tuple[str, ...] = (), lasts_s: float = 600) -> tuple[str, Client]:
    """A new user with a token of their own."""
    name = f"{role}-{uuid.uuid4().hex[:8]}"
    operator = server.client()
    operator.ask("PUT", f"/api/users/{name}", {"role": role, "teams": list(teams)})
    return name, server.client(operator.ask("POST", f"/api/users/{name}/tokens", {"lasts_s": lasts_s})["token"])


def raw(server: ServerProcess, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
    """A request as it is, without a client that would see to it."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
    try:
        connection.request(method, path, body, {"Authorization": f"Bearer {server.token}", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
