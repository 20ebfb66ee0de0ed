"""A whole control plane on this machine, to be broken: servers, database, Slurm, agents, ranks, clock and disk."""

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
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.stepped_clock import SteppedClock
from tests.postgres_server import PostgresServer
from tests.slurm_cluster import SlurmCluster

from drivetrain.compute.agent.claim import claims, holder
from drivetrain.compute.job import Job
from drivetrain.core.errors import StoreError
from drivetrain.server import here
from drivetrain.server.client import Client

_NOW_AND_THEN_S = 3.0
POOLS = '[[pools]]\nname = "local"\nnodes = 3\n[[pools]]\nname = "slurm"\nengine = "slurm"\npartition = "main"\n'
SCRIPT = """\
log="$CHAOS/$DRIVETRAIN_JOB.$RANK.log"
exec 9>>"$CHAOS/$DRIVETRAIN_JOB.$RANK.lock"
flock -n 9 || echo overlap >> "$log"
echo "start $DRIVETRAIN_ATTEMPT $$" >> "$log"
sleep $1
echo end >> "$log"
"""
"""Of each rank: it says that it begins and ends, and by a lock whether one of an attempt before is still there."""


@dataclass
class ControlPlane:
    """Everything is started by `up`, and ended by `down`.

    Attributes:
      chance: which of several things is hit.
      num_servers: one of which has the controller that works.
      jobs_of: by key of a request, what it asks for; taken: the job that the server made of it.
      is_full: whether the disk is.
    """

    folder: Path
    slurm: SlurmCluster
    postgres: PostgresServer | None
    clock: SteppedClock
    chance: random.Random
    num_servers: int = 1
    servers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    jobs_of: dict[str, Job] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)
    database: str = ""
    is_full: bool = False

    def up(self) -> None:
        self.log_folder.mkdir(parents=True)
        (self.folder / "server.toml").write_text(POOLS)
        if self.postgres is not None:
            self.database = self.postgres.database(f"chaos_{os.urandom(6).hex()}")
        for _ in range(self.num_servers):
            self.start_server()
        self.wait_for(lambda: bool(self.jobs()) or True, "a server")

    def down(self) -> None:
        for server in self.servers:
            server.kill()
            server.wait()
        self.slurm.cancel()  # what would begin now would wait for a server for a day
        for pid in self.processes():
            _kill(pid)

    @property
    def home(self) -> Path:
        return self.folder / "store"

    @property
    def log_folder(self) -> Path:
        return self.folder / "logs"

    def say(self, text: str) -> None:
        """Leave beside the servers' log what is being done."""
        with (self.folder / "steps.log").open("a") as log:
            log.write(f"{time.time():.2f} {text}\n")

    def client(self) -> Client:
        """Of a server that runs. Raises: OSError: none has come up yet."""
        folder = self.home / "server"
        found = here.servers(folder)
        if not found:
            raise ConnectionError("no server is up")
        return Client(self.chance.choice(found).url, here.read_token(folder))

    def start_server(self) -> None:
        env = {**os.environ, **self.slurm.env, **self.clock.env, "DRIVETRAIN_HOME": str(self.home)}
        arguments = ["--port", "0", "--config", str(self.folder / "server.toml"), "--database", self.database]
        with (self.folder / "server.log").open("ab") as log:
            command = [sys.executable, "-m", "drivetrain", "server", *arguments]
            self.servers.append(subprocess.Popen(command, env=env, stdout=log, stderr=log))
        self._limit_files()

    def kill_server(self) -> None:
        """SIGKILL, and another one is started, which takes its time."""
        server = self.chance.choice(self.servers)
        self.servers.remove(server)
        server.kill()
        server.wait()
        self.start_server()

    def submit(self) -> None:
        """A new request: as it should be, half sent, or without waiting for the answer."""
        job = Job(
            command=("sh", "-c", SCRIPT, "sh", f"{self.chance.uniform(0.05, 0.6):.2f}"),
            pool=self.chance.choice(("local", "slurm")),
            nodes=2 if self.chance.random() < 0.1 else 1,
            priority=self.chance.choice(("low", "normal", "high")),
            preemptible=self.chance.random() < 0.5,
            grace="2s",
            retries=self.chance.choice((0, 0, 1)),
            env={"CHAOS": str(self.log_folder)},
        )
        key = f"{self.chance.getrandbits(64):x}"
        self.jobs_of[key] = job
        how = self.chance.random()
        if how < 0.7:
            self.ask(key)
        else:
            self.hang_up(key, part=1.0 if how < 0.9 else 0.5)

    def ask(self, key: str) -> bool:
        """Submit, for the first time or again; whether there was a server that took it."""
        with suppress(StoreError, OSError):
            job = self.client().submit(self.jobs_of[key], snapshot="", folder=str(self.folder), key=key)["id"]
            assert self.taken.setdefault(key, job) == job, f"a request that came again made {job}, too"
            return True
        return False

    def ask_again(self) -> None:
        """A request that was made before, as by somebody who has not seen the answer."""
        if self.jobs_of:
            self.ask(self.chance.choice(list(self.jobs_of)))

    def hang_up(self, key: str, *, part: float) -> None:
        """Send a request, or a part of it, and do not wait for the answer: the job may be there or not."""
        with suppress(OSError, StoreError):
            client = self.client()
            host, _, port = client.url.removeprefix("http://").partition(":")
            body = json.dumps(
                {"job": asdict(self.jobs_of[key]), "snapshot": "", "folder": str(self.folder), "key": key}
            ).encode()
            head = f"POST /api/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client._token}\r\n"
            with socket.create_connection((host, int(port)), timeout=5) as connection:
                connection.sendall(f"{head}Content-Type: application/json\r\n".encode())
                connection.sendall(f"Content-Length: {len(body)}\r\n\r\n".encode() + body[: int(part * len(body))])

    def stop_one(self) -> None:
        if self.taken:
            with suppress(StoreError, OSError):
                self.client().stop(self.chance.choice(sorted(self.taken.values())))

    def kill_agent(self) -> None:
        if living := self.agents():
            _kill(self.chance.choice(living))

    def kill_rank(self) -> None:
        if living := [pid for pid in self.processes() if _words(pid)[1:3] == ["-c", SCRIPT]]:
            _kill(self.chance.choice(living))

    def fill_disk(self) -> None:
        """For what servers write, it is as if the disk were full."""
        self.is_full = True
        self._limit_files()

    def empty_disk(self) -> None:
        """And not any more, also for what they started meanwhile."""
        self.is_full = False
        self._limit_files()

    def _limit_files(self) -> None:
        most_bytes = 4096 if self.is_full else resource.RLIM_INFINITY
        for pid in [server.pid for server in self.servers] if self.is_full else self._all():
            with suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (most_bytes, resource.RLIM_INFINITY))

    def jobs(self) -> list[dict[str, Any]]:
        return self.client().jobs(limit=1000)

    def look(self) -> None:
        """What people and programs do most; where no server answers they ask again, but not while none can."""
        if self.is_full:
            with suppress(StoreError, OSError):
                self.jobs()
        else:
            self.wait_for(lambda: isinstance(self.jobs(), list), "a server that answers")

    def _what_is_there(self) -> str:
        """For whoever reads that something did not come."""
        told = [str(path.relative_to(self.home)) for path in sorted(self.home.glob("agents/**/*"))]
        said = (self.folder / "server.log").read_text(errors="replace").splitlines()[-20:]
        asked = subprocess.run(
            ["squeue"], env={**os.environ, **self.slurm.env}, capture_output=True, text=True, check=False
        )
        processes = [f"{pid} {' '.join(_words(pid))}" for pid in self.processes()]
        return "\n".join([*told, *processes, asked.stdout + asked.stderr, *said])

    def agents(self) -> list[int]:
        """Processes of agents that live."""
        found = (holder(claim) for claim in sorted(claims(self.home / "agents")))
        return [pid for pid in found if pid is not None]

    def processes(self) -> list[int]:
        """All that are there for jobs: agents, ranks and what they started."""
        agents, servers = set(self.agents()), {server.pid for server in self.servers}
        others = {pid for pid in self._all() - servers if "drivetrain.compute.agent.warm" not in _words(pid)}
        return sorted(agents | others)

    def _all(self) -> set[int]:
        """All that have this home, and agents: these may be forks, which have their variables elsewhere."""
        mark, found = f"DRIVETRAIN_HOME={self.home}\0".encode(), set(self.agents())
        for folder in Path("/proc").iterdir():
            with suppress(OSError):
                if folder.name.isdecimal() and mark in (folder / "environ").read_bytes():
                    found.add(int(folder.name))
        return found

    def wait_for(
        self,
        is_so: Callable[[], bool],
        what: str,
        patience_s: float = 120.0,
        *,
        now_and_then: Callable[[], object] = lambda: None,
    ) -> None:
        """Until it is so; servers that end meanwhile by themselves, as without a database, are started again."""
        until_s = time.monotonic() + patience_s
        next_s = time.monotonic() + _NOW_AND_THEN_S
        while True:
            if time.monotonic() > next_s:
                now_and_then()
                next_s = time.monotonic() + _NOW_AND_THEN_S
            with suppress(StoreError, OSError):
                if is_so():
                    return
            for server in [server for server in self.servers if server.poll() is not None]:
                self.servers.remove(server)
                self.start_server()
            assert time.monotonic() < until_s, f"waited {patience_s:g} s for {what}\n{self._what_is_there()}"
            time.sleep(0.02)


def _words(pid: int) -> list[str]:
    """Of the command of a process."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    return []


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
