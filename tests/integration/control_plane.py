"""A whole control plane on this machine, to be broken: server, database, Slurm, agents; and what must hold of it."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.postgres_server import PostgresServer
from tests.slurm_cluster import NODES, SlurmCluster

from drivetrain.compute.agent.claim import holder
from drivetrain.compute.job import Job
from drivetrain.core.errors import StoreError
from drivetrain.server.client import Client, here_client

FINAL = ("succeeded", "failed", "stopped", "refused")
POOLS = '[[pools]]\nname = "local"\nnodes = 3\n[[pools]]\nname = "slurm"\nengine = "slurm"\npartition = "main"\n'
SCRIPT = """\
exec 9>>"$CHAOS/$DRIVETRAIN_JOB.$RANK.lock"
flock -n 9 || echo overlap >> "$CHAOS/$DRIVETRAIN_JOB.$RANK.log"
echo start >> "$CHAOS/$DRIVETRAIN_JOB.$RANK.log"
sleep $1
echo end >> "$CHAOS/$DRIVETRAIN_JOB.$RANK.log"
"""
SETTLES_S = 240.0


@dataclass
class ControlPlane:
    """Everything is started by `up`, and ended by `down`."""

    folder: Path
    slurm: SlurmCluster
    postgres: PostgresServer | None
    server: subprocess.Popen[bytes] | None = None
    accepted: set[str] = field(default_factory=set)
    keys: list[tuple[str, Job]] = field(default_factory=list)
    killed_agents: set[str] = field(default_factory=set)
    database: str = ""

    def up(self) -> None:
        self.log_folder.mkdir(parents=True)
        (self.folder / "server.toml").write_text(POOLS)
        if self.postgres is not None:
            self.database = self.postgres.database(f"chaos_{os.getpid()}_{id(self)}")
        self.start_server()

    def down(self) -> None:
        if self.server is not None:
            self.server.kill()
            self.server.wait()
        for claim in self.home.glob("agents/*/*.claim"):
            pid = holder(claim)
            if pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def log_folder(self) -> Path:
        return self.folder / "logs"

    @property
    def client(self) -> Client:
        """Of the server that runs. Raises: OSError: none has come up yet."""
        client = here_client(self.home / "server")
        if client is None:
            raise ConnectionError("no server is up")
        return client

    def start_server(self) -> None:
        env = {**os.environ, **self.slurm.env, "DRIVETRAIN_HOME": str(self.home)}
        arguments = ["--port", "0", "--config", str(self.folder / "server.toml"), "--database", self.database]
        with (self.folder / "server.log").open("ab") as log:
            self.server = subprocess.Popen(
                [sys.executable, "-m", "drivetrain", "server", *arguments], env=env, stdout=log, stderr=log
            )
        wait_for(lambda: here_client(self.home / "server") is not None, "the server")

    def kill_server(self) -> None:
        assert self.server is not None
        self.server.kill()
        self.server.wait()
        self.start_server()

    def submit(self, chance: random.Random) -> None:
        nodes = chance.choice((1, 1, 1, 2))
        words = ("sh", "-c", SCRIPT, "sh", f"{chance.uniform(0.05, 0.6):.2f}")
        job = Job(
            command=words,
            pool=chance.choice(("local", "slurm")),
            nodes=1 if chance.random() < 0.9 else nodes,
            priority=chance.choice(("low", "normal", "high")),
            preemptible=chance.random() < 0.5,
            grace="2s",
            retries=0,
            env={"CHAOS": str(self.log_folder)},
        )
        key = f"{chance.getrandbits(64):x}"
        self.keys.append((key, job))
        self.ask(key, job)

    def ask(self, key: str, job: Job) -> None:
        """Submit; a server that is away does not take it, and one that takes it says so each time."""
        with suppress(StoreError, OSError):
            self.accepted.add(self.client.submit(job, snapshot="", folder=str(self.folder), key=key)["id"])

    def drop_request(self, key: str, job: Job) -> None:
        """Send a request and hang up before the answer: the job may be there or not, and asking again gives it."""
        with suppress(OSError, StoreError):
            client = self.client
            host, _, port = client.url.removeprefix("http://").partition(":")
            body = json.dumps({"job": {"command": list(job.command)}, "key": key}).encode()
            head = f"POST /api/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client._token}\r\n"
            with socket.create_connection((host, int(port)), timeout=5) as connection:
                connection.sendall(f"{head}Content-Type: application/json\r\n".encode())
                connection.sendall(f"Content-Length: {len(body)}\r\n\r\n".encode() + body[: len(body) // 2])

    def stop_one(self, chance: random.Random) -> None:
        if self.accepted:
            with suppress(StoreError, OSError):
                self.client.stop(chance.choice(sorted(self.accepted)))

    def agents(self) -> list[tuple[str, int]]:
        """Attempts and processes of agents that live."""
        found = ((claim.parent.name, holder(claim)) for claim in sorted(self.home.glob("agents/*/*.claim")))
        return [(attempt, pid) for attempt, pid in found if pid is not None]

    def kill_agent(self, chance: random.Random) -> None:
        living = self.agents()
        if living:
            attempt, pid = chance.choice(living)
            self.killed_agents.add(attempt)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def fill_disk(self, most_bytes: int) -> None:
        """Have the server's files be as good as on a full disk; -1 empties it."""
        assert self.server is not None
        limit = resource.RLIM_INFINITY if most_bytes < 0 else most_bytes
        _, hard = resource.prlimit(self.server.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.server.pid, resource.RLIMIT_FSIZE, (limit, hard))

    def jobs(self) -> list[dict[str, Any]]:
        return self.client.jobs(limit=1000)

    def look(self) -> None:
        """What people and programs do most."""
        with suppress(StoreError, OSError):
            self.jobs()

    def settle(self) -> None:
        """Wait until each job has come to its end."""
        wait_for(lambda: all(job["state"] in FINAL for job in self.jobs()), "the jobs", SETTLES_S)
        wait_for(lambda: not self.agents(), "the agents", SETTLES_S)

    def check(self) -> None:
        """What must hold, whatever happened."""
        jobs = {job["id"]: job for job in self.jobs()}
        assert self.accepted <= set(jobs), "a job that was accepted is lost"
        for name, job in jobs.items():
            log = self.log_folder / f"{name}.0.log"
            lines = log.read_text().split() if log.exists() else []
            assert "overlap" not in lines, f"{name} ran twice at once"
            attempts = self.client.job(name)["attempts"]
            was_killed = any(attempt["id"] in self.killed_agents or attempt["lost"] for attempt in attempts)
            assert lines.count("end") <= 1 or was_killed, f"{name} ran twice: {lines}"
            assert job["state"] != "succeeded" or "end" in lines, f"{name} succeeded without its end"
        self._check_account()

    def _check_account(self) -> None:
        found = self.client.ask("GET", "/api/cost?by=job&since_s=100000")["json"]
        assert sum(found["leaves_device_ms"].values()) == found["capacity_device_ms"]
        assert sum(sum(row["leaves_device_ms"].values()) for row in found["rows"]) == found["capacity_device_ms"]


def wait_for(is_so: Callable[[], bool], what: str, patience_s: float = 120.0) -> None:
    until_s = time.monotonic() + patience_s
    while True:
        with suppress(StoreError, OSError):
            if is_so():
                return
        assert time.monotonic() < until_s, f"waited {patience_s:g} s for {what}"
        time.sleep(0.02)


__all__ = ["NODES", "ControlPlane", "wait_for"]
