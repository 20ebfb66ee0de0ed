"""Servers of one store, one after the other or at once, with pools of their own: none undoes what is there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.postgres_server import PostgresServer
from tests.server.conftest import submit
from tests.server_process import ServerProcess, wait_for, wait_for_state

from drivetrain.server import here

ALPHA = '[[pools]]\nname = "alpha"\nnodes = 2\ngpus = 8\nprice_per_gpu_h = 2.5\n'
BETA = '[[pools]]\nname = "beta"\nnodes = 1\ngpus = 4\n'


class Store:
    """Commands and servers of one home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.servers: list[ServerProcess] = []

    def server(self, pools: str) -> ServerProcess:
        """One that is not started yet."""
        path = self.home.parent / f"server-{len(self.servers)}.toml"
        path.write_text(pools)
        self.servers.append(ServerProcess(self.home, options=("--config", str(path))))
        return self.servers[-1]

    def drivetrain(self, *words: str) -> Any:
        """What a command prints as JSON."""
        env = {**os.environ, "DRIVETRAIN_HOME": str(self.home)}
        done = subprocess.run(
            [sys.executable, "-m", "drivetrain", *words], capture_output=True, text=True, env=env, check=True
        )
        return msgspec.json.decode(done.stdout) if "--json" in words else done.stdout.strip()


@pytest.fixture
def store(own_home: Path) -> Iterator[Store]:
    made = Store(own_home)
    yield made
    for server in made.servers:
        server.stop()
    made.drivetrain("server", "--stop")


def _gpus(client: Any, count: int, pool: str, *command: str) -> str:
    return submit(client, *command, gpus=count, cpus=1, pool=pool)


def _is_refused(server: ServerProcess, why: str) -> None:
    with pytest.raises(RuntimeError, match=why):
        server.start()
    server.kill()


def test_a_command_that_looks_after_the_server_was_killed_loses_no_job_that_waits(store: Store) -> None:
    server = store.server(ALPHA).start()
    client = server.client()
    _gpus(client, 8, "alpha", "sleep", "600")
    _gpus(client, 8, "alpha", "sleep", "600")
    third = _gpus(client, 8, "alpha", "true")
    wait_for(lambda: client.job(third)["reason"], "the third to hear why it waits")
    server.kill()
    assert {job["id"]: job["state"] for job in store.drivetrain("jobs", "--json")}[third] == "waiting"
    again = store.server(ALPHA).start()
    assert len(here.servers(store.home / "server")) == 1
    for job in again.client().jobs():
        again.client().stop(job["id"])
    wait_for_state(again.client(), third, "stopped")


def test_a_job_that_was_accepted_waits_where_its_pool_is_gone(store: Store) -> None:
    server = store.server(ALPHA).start()
    first = _gpus(server.client(), 8, "alpha", "sleep", "600")
    wait_for_state(server.client(), first, "running")
    _gpus(server.client(), 8, "alpha", "sleep", "600")
    third = _gpus(server.client(), 8, "alpha", "true")
    wait_for(lambda: server.client().job(third)["reason"], "the third to hear why it waits")
    server.stop()
    other = store.server(BETA).start()
    wait_for(lambda: "was accepted" in other.client().job(third)["reason"], "the third to hear that its pool is gone")
    assert other.client().job(third)["state"] == "waiting"
    never = _gpus(other.client(), 8, "alpha", "true")
    assert wait_for_state(other.client(), never, "refused")
    other.stop()
    last = store.server(ALPHA).start()
    for job in last.client().jobs():
        if job["state"] not in ("refused", "stopped"):
            last.client().stop(job["id"])
    wait_for_state(last.client(), first, "stopped")


def test_a_job_ends_under_a_server_that_lacks_its_pool(store: Store) -> None:
    server = store.server(ALPHA).start()
    job = _gpus(server.client(), 8, "alpha", "sh", "-c", f"while [ ! -e {store.home}/go ]; do sleep 0.1; done")
    wait_for_state(server.client(), job, "running")
    server.kill()
    other = store.server(BETA).start()
    (store.home / "go").touch()
    assert wait_for_state(other.client(), job, "succeeded")


def test_a_database_with_jobs_of_another_store_is_refused_and_with_ended_ones_taken(
    store: Store, tmp_path: Path, postgres: PostgresServer
) -> None:
    database = postgres.database("stores")
    first, second = (ServerProcess(home, database=database) for home in (store.home, tmp_path / "another"))
    store.servers += (first, second)
    first.start()
    job = submit(first.client(), "sleep", "600")
    wait_for_state(first.client(), job, "running")
    for then in ("a server works", "a job runs"):
        if then == "a job runs":
            first.kill()
        _is_refused(second, f"DRIVETRAIN_HOME={store.home}")
    first.start().client().stop(job)
    wait_for_state(first.client(), job, "stopped")
    _is_refused(second, "another store")
    first.stop()
    assert second.start().client().job(job)["state"] == "stopped"


def test_one_that_stands_by_with_other_pools_changes_none(store: Store) -> None:
    store.server(ALPHA).start()
    store.server(BETA).start()
    (pool,) = store.servers[0].client().ask("GET", "/api/settings/pool")
    assert (pool["name"], pool["price_per_gpu_h"]) == ("alpha", 2_500_000)


def test_nodes_of_a_pool_that_is_no_more_are_no_part_of_the_fleet(store: Store) -> None:
    first = store.server(ALPHA).start()
    wait_for(lambda: first.client().ask("GET", "/api/nodes"), "nodes to be known")
    first.stop()
    second = store.server(BETA).start()
    names = wait_for(lambda: [node["name"] for node in second.client().ask("GET", "/api/nodes")], "nodes to be known")
    assert names == ["beta-0"]
    has = {pool["pool"]: pool["devices"]["capacity"] for pool in store.drivetrain("top", "--json")["pools"]}
    assert has == {"alpha": 0, "beta": 4}


def test_who_submits_while_a_server_comes_up_is_served_by_that(store: Store) -> None:
    server = store.server(ALPHA)
    env = {**os.environ, "DRIVETRAIN_HOME": str(store.home)}
    folder = store.home.parent / "code"
    folder.mkdir()
    words = ["submit", "--here", "--on", "alpha", "--gpus", "1", "--cpus", "1", "--", "true"]
    submitting = subprocess.Popen(
        [sys.executable, "-m", "drivetrain", *words], cwd=folder, env=env, stdout=subprocess.PIPE, text=True
    )
    server.start()
    job = submitting.communicate(timeout=60)[0].strip()
    assert wait_for_state(server.client(), job, "succeeded", "refused")["state"] == "succeeded"
