"""Servers, agents and databases are killed, and nothing is lost, started twice, or left without an owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.postgres_server import PostgresServer
from tests.server.conftest import DATABASES, printed, submit
from tests.server_process import ServerProcess, wait_for, wait_for_state

from drivetrain.compute.agent.claim import holder
from drivetrain.core.errors import StoreError
from drivetrain.server import here
from drivetrain.server.client import Client, here_client

pytestmark = pytest.mark.slow

MakeServer = Callable[..., ServerProcess]


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of the test's own."""
    if request.param == "sqlite":
        return ""
    postgres: PostgresServer = request.getfixturevalue("postgres")
    return postgres.database(f"t{os.urandom(6).hex()}")


def holds(folder: Path, *, then: str = "") -> tuple[str, ...]:
    """A command that says it began, and goes on until it is let go."""
    return ("sh", "-c", f"echo begun >> {folder}/begun; echo $$; until [ -e {folder}/go ]; do sleep 0.05; done; {then}")


def begun(folder: Path) -> int:
    path = folder / "begun"
    return len(path.read_text().splitlines()) if path.exists() else 0


def agent_pid(server: ServerProcess, attempt: str) -> int:
    return wait_for(lambda: holder(server.home / "agents" / attempt / "0.claim"), f"the agent of {attempt}")


def test_a_server_that_is_killed_finds_its_agents_again(make_server: MakeServer, url: str, tmp_path: Path) -> None:
    server = make_server(database=url)
    job = submit(server.client(), *holds(tmp_path, then="echo done"))
    wait_for(lambda: begun(tmp_path), "the command to begin")
    pid = agent_pid(server, f"{job}.0")
    for _ in range(2):
        server.kill()
        server.start()
    told = wait_for_state(server.client(), job, "running")
    assert (agent_pid(server, f"{job}.0"), len(told["attempts"])) == (pid, 1)
    (tmp_path / "go").touch()
    told = wait_for_state(server.client(), job, "succeeded")
    assert (begun(tmp_path), len(told["attempts"])) == (1, 1)
    assert printed(server.client(), job).endswith("done\n")


def test_a_job_that_ends_while_the_server_is_away_has_ended_when_it_is_back(
    make_server: MakeServer, url: str, tmp_path: Path
) -> None:
    server = make_server(database=url)
    job = submit(server.client(), *holds(tmp_path, then=f"echo done; touch {tmp_path}/ended; exit 7"), retries=0)
    wait_for(lambda: begun(tmp_path), "the command to begin")
    server.kill()
    (tmp_path / "go").touch()
    wait_for((tmp_path / "ended").exists, "the command to end")
    server.start()
    told = wait_for_state(server.client(), job, "failed")
    assert (told["exit_code"], begun(tmp_path), len(told["attempts"])) == (7, 1, 1)
    [attempt], over_s = told["attempts"], (tmp_path / "ended").stat().st_mtime
    assert attempt["ran_until_s"] - over_s < attempt["ended_s"] - attempt["ran_until_s"], "not when it was heard of"
    assert told["ended_s"] == attempt["ran_until_s"]


def test_jobs_sent_while_the_server_is_killed_again_and_again_run_once_each(
    make_server: MakeServer, url: str, tmp_path: Path
) -> None:
    server = make_server(database=url)
    taken: dict[str, str] = {}
    for round_ in range(4):
        for number in range(4):
            key = f"{round_}-{number}"
            command = ("sh", "-c", f"echo {key} >> {tmp_path}/begun")
            taken[key] = submit(server.client(), *command, key=key)
            assert submit(server.client(), *command, key=key) == taken[key]
        server.kill()
        server.start()
    for job in taken.values():
        told = wait_for_state(server.client(), job, "succeeded", "failed")
        assert (told["state"], len(told["attempts"])) == ("succeeded", 1)
    assert sorted((tmp_path / "begun").read_text().split()) == sorted(taken)


def test_a_job_whose_agent_is_killed_goes_on_elsewhere_and_its_log_is_in_order(
    make_server: MakeServer, url: str, tmp_path: Path
) -> None:
    server = make_server(database=url)
    client = server.client()
    begin = f"echo begun >> {tmp_path}/begun; cat {tmp_path}/saved; echo at $$; echo 5 > {tmp_path}/saved"
    script = f"{begin}; until [ -e {tmp_path}/go ]; do sleep 0.05; done; echo done"
    (tmp_path / "saved").write_text("0\n")
    job = submit(client, "sh", "-c", script)
    wait_for(lambda: begun(tmp_path), "the command to begin")
    rank_pid = int(wait_for(lambda: _first_pid(client, job), "its log"))
    os.kill(agent_pid(server, f"{job}.0"), signal.SIGKILL)
    (tmp_path / "go").touch()
    told = wait_for_state(client, job, "succeeded")
    assert not Path(f"/proc/{rank_pid}").exists()
    assert [attempt["lost"] for attempt in told["attempts"]] == [[0], []]
    lines = printed(client, job).splitlines()
    assert [line for line in lines if not line.startswith("at ")] == ["0", "5", "done"]


def _first_pid(client: Client, job: str) -> str:
    text = "".join(piece["text"] for piece in client.logs(job, rank=None, follow=False))
    return text.partition("at ")[2].partition("\n")[0] if text.count("\n") >= 2 else ""


def test_a_job_that_was_stopped_while_the_server_was_away_or_just_began_stops(
    make_server: MakeServer, url: str, tmp_path: Path
) -> None:
    server = make_server(database=url)
    job = submit(server.client(), "sleep", "600")
    server.client().stop(job)  # its agent may be there, or not
    server.kill()
    server.start()
    wait_for_state(server.client(), job, "stopped")


def test_two_servers_share_a_database_and_the_other_takes_over(
    make_server: MakeServer, postgres: PostgresServer, tmp_path: Path
) -> None:
    url = postgres.database(f"t{os.urandom(6).hex()}")
    first = make_server(database=url)
    job = submit(first.client(), *holds(tmp_path))
    wait_for(lambda: begun(tmp_path), "the command to begin")
    second = make_server(first.home, database=url)
    first.kill()
    (tmp_path / "go").touch()
    told = wait_for_state(second.client(), job, "succeeded")
    assert (begun(tmp_path), len(told["attempts"])) == (1, 1)
    wait_for_state(second.client(), submit(second.client(), "true"), "succeeded")


def test_a_controller_that_slept_through_the_loss_of_its_lock_changes_nothing(
    make_server: MakeServer, postgres: PostgresServer, tmp_path: Path
) -> None:
    url = postgres.database(f"t{os.urandom(6).hex()}")
    first = make_server(database=url)
    job = submit(first.client(), *holds(tmp_path))
    wait_for(lambda: begun(tmp_path), "the command to begin")
    second = make_server(first.home, database=url)
    first.signal(signal.SIGSTOP)
    end_sessions(postgres, url)  # as the network would, to a process that does not answer
    (tmp_path / "go").touch()
    wait_for_state(second.client(), submit(second.client(), "true"), "succeeded")
    first.signal(signal.SIGCONT)
    jobs = [submit(server.client(), "true") for server in (first, second) for _ in range(3)]
    for each in (job, *jobs):
        told = wait_for_state(first.client(), each, "succeeded", "failed")
        assert (told["state"], len(told["attempts"])) == ("succeeded", 1)


def end_sessions(postgres: PostgresServer, url: str) -> None:
    import psycopg

    name = urlsplit(url).path.removeprefix("/")
    with psycopg.connect(postgres.database(f"t{os.urandom(6).hex()}"), autocommit=True) as connection:
        query = "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database d ON d.oid = database"
        connection.execute(f"{query} WHERE locktype = 'advisory' AND datname = %s", [name])


def test_a_database_that_is_started_again_is_missed_for_a_moment_alone(make_server: MakeServer, tmp_path: Path) -> None:
    postgres = PostgresServer()
    try:
        postgres.up()
        server = make_server(database=postgres.database("own"))
        client = server.client()
        job = submit(client, *holds(tmp_path))
        wait_for(lambda: begun(tmp_path), "the command to begin")
        postgres.down(mode="immediate")
        with pytest.raises(StoreError, match="the database does not answer"):
            client.jobs()
        (tmp_path / "go").touch()
        postgres.up()
        told = wait_for(lambda: _job(client, job, "succeeded"), "the job to end")
        assert (begun(tmp_path), len(told["attempts"])) == (1, 1)
    finally:
        server.kill()
        postgres.remove()


def _job(client: Client, job: str, state: str) -> dict[str, Any] | None:
    try:
        told = client.job(job)
    except StoreError:
        return None
    return told if told["state"] == state else None


def test_jobs_and_agents_speak_tls(make_server: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, *subject]
    subprocess.run(made, check=True, capture_output=True)
    server = make_server(options=("--certificate", str(certificate), "--private-key", str(key)))
    assert server.url.startswith("https://")
    for ask in (lambda: server.client().jobs(), lambda: here_client(server.home / "server")):
        with pytest.raises(StoreError, match=r"not trusted: .*certificate verify failed") as untrusted:
            ask()
        assert "DRIVETRAIN_CA" in (untrusted.value.hint or "")
    monkeypatch.setenv("DRIVETRAIN_CA", str(certificate))
    client = server.client()
    job = submit(client, "echo", "safe")
    assert printed(client, job) == "safe\n"
    assert wait_for_state(client, job, "succeeded")["attempts"][0]["exits"] == {"0": 0}


def test_commands_find_the_server_of_this_machine_and_not_one_that_was_killed(make_server: MakeServer) -> None:
    server = make_server()
    folder = server.home / "server"
    token = server.token
    found = here_client(folder)
    assert found is not None
    assert (found.url, found.ask("GET", "/api/me")["role"]) == (server.url, "operator")
    server.kill()
    assert here_client(folder) is None
    server.start()
    assert (server.stop(), list((folder / "here").iterdir()), server.token) == (0, [], token)


def test_without_a_server_one_is_started_that_ends_when_nothing_is_left(tmp_path: Path) -> None:
    env = {**os.environ, "DRIVETRAIN_HOME": str(tmp_path / "home")}

    def drivetrain(*words: str) -> str:
        command = [sys.executable, "-m", "drivetrain", *words]
        return subprocess.run(command, env=env, cwd="/", check=True, capture_output=True, text=True).stdout

    job = drivetrain("submit", "--here", "--", "echo", "hello").strip()
    assert drivetrain("logs", "-f", job) == "[0] hello\n"
    wait_for(lambda: not here.servers(tmp_path / "home" / "server"), "the server to end, which nobody asks")
    assert drivetrain("logs", "latest") == "[0] hello\n"  # which needs one again
    assert "ended" in drivetrain("server", "--stop")


def test_a_second_server_of_a_store_that_has_another_database_does_not_begin(
    make_server: MakeServer, tmp_path: Path
) -> None:
    first = make_server()
    with pytest.raises(RuntimeError, match=r"runs with another database, sqlite:///.*drivetrain\.sqlite"):
        make_server(first.home, database=f"sqlite:///{tmp_path}/other.sqlite")
    first.kill()
    make_server(first.home, database=f"sqlite:///{tmp_path}/other.sqlite")
