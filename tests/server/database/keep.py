"""Makes one of the databases in `kept/`: `python -m tests.server.database.keep > tests/server/database/kept/0006.sql`.

Each new version of the tables has one, of the first code that knew it. A real server is given jobs of each kind, and is
killed while some run; what it has written by then is printed as SQL, with neutral names for the places and people of
the machine. The tokens of `ops` and `ana` are their names.
"""

from __future__ import annotations

import getpass
import json
import os
import signal
import socket
import sqlite3
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from tests.server_process import ServerProcess, wait_for, wait_for_state

from drivetrain.compute.agent.claim import holder
from drivetrain.server.database import Records, open_database
from drivetrain.server.keys import token_hash
from drivetrain.server.services import fleet
from drivetrain.server.services.fleet import FleetMemory, close_page

POOL = '[[pools]]\nname = "local"\nnodes = 3\ngpus = 4\ngpu = "H100"\nprice_per_gpu_h = 2.5\n'
ODD = "été \"100 %\" \\ 'a'; -- <b>日本</b> 🚗"
HELD = "sleep 600"
_A_PAGE_S = 3600.0


class Site:
    """A server with jobs of ana's, who is in two teams."""

    def __init__(self, folder: Path) -> None:
        self.home, self.code = folder / "home", folder / "code"
        self.code.mkdir()
        (folder / "server.toml").write_text(POOL)
        self.server = ServerProcess(self.home, options=("--config", str(folder / "server.toml"))).start()
        self.ana = self.server.token

    def ask(self, method: str, path: str, body: Any = None, *, token: str = "") -> Any:
        """What a route answers."""
        headers = {"Authorization": f"Bearer {token or self.server.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.server.url}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            said = answer.read()
        return json.loads(said) if said else None

    def submit(self, script: str, **asked: Any) -> str:
        """A job of ana's; its id."""
        job = {"command": ["sh", "-c", script], "ranks": 1, "team": "maps", "cpus": 0.1, **asked}
        body = {"job": job, "folder": str(self.code), "key": asked.get("name", "")}
        return str(self.ask("POST", "/api/jobs", body, token=self.ana)["id"])

    def until(self, job: str, *states: str) -> dict[str, Any]:
        """The job, once it is so."""
        return wait_for_state(self.server.client(), job, *states)

    def lose(self, job: str) -> None:
        """Kill the agent of its first attempt."""
        pid = wait_for(lambda: holder(self.home / "agents" / f"{job}.0" / "0.claim"), f"the agent of {job}")
        os.kill(pid, signal.SIGKILL)

    def end(self) -> Path:
        """Kill the server, then all that it has started; the database."""
        self.server.kill()
        mine = f"DRIVETRAIN_HOME={self.home}".encode()
        while pids := [pid for pid in _processes() if mine in _environment(pid)]:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
        return self.home / "server" / "drivetrain.sqlite"


def fill(site: Site) -> str:
    """People, limits and jobs of each kind; of those that run, the one that is about to be stopped."""
    site.ask("PUT", "/api/users/ana", {"role": "member", "teams": ["maps", "planning"]})
    site.ask("PUT", "/api/users/ben", {"role": "viewer", "teams": []})
    site.ana = site.ask("POST", "/api/users/ana/tokens", {"label": "laptop", "lasts_s": 86400 * 30})["token"]
    site.ask("PUT", "/api/settings/quota/maps@", {"team": "maps", "cohort": "all", "nominal_milli": 12000, "weight": 2})
    site.ask("PUT", "/api/settings/quota/planning@", {"team": "planning", "cohort": "all", "nominal_milli": 4000})
    site.ask("PUT", "/api/settings/budget/maps", {"team": "maps", "limit": 900_000_000, "spent": 5_000_000})
    over = [
        site.submit("echo done", name="good", gpus=1, env={"CITY": "Zürich"}, max_runtime="1h", deadline="2h"),
        site.submit("exit 3", name="bad", gpus=1, retries=1),
        site.submit("true", name=ODD, cpus=0.5, team="planning", priority=120),
        site.submit("true", name="gang", gpus=2, nodes=2, topology="rack"),
        site.submit("test $DRIVETRAIN_TASK != 3", name="tasks", array="0-6", nodes=2, retries=1),
    ]
    for job in over:
        site.until(job, "succeeded", "failed")
    moves = site.submit(HELD, name="moves", gpus=4)
    site.until(moves, "running")
    site.lose(moves)
    wait_for(lambda: len(site.ask("GET", f"/api/jobs/{moves}")["attempts"]) == 2, "its second attempt")
    site.until(moves, "running")
    site.ask("POST", f"/api/jobs/{moves}/stop", {}, token=site.ana)
    site.until(moves, "stopped")
    site.ask("POST", "/api/nodes/local-2/state", {"state": "cordoned", "reason": "memory errors"})
    elastic = site.submit(HELD, name="elastic", gpus=2, nodes="1:2", preemptible=True, min_runtime="1s", priority="low")
    site.until(elastic, "running")
    site.until(site.submit("true", name="urgent", gpus=4, nodes=2, priority="urgent"), "succeeded")
    site.until(elastic, "running")
    tasks = site.submit(f"test $DRIVETRAIN_TASK -lt 12 || {HELD}", name="more tasks", array="10-29", nodes=2, gpus=1)
    gang = site.submit(HELD, name="running gang", gpus=1, nodes=2, grace="5s")
    ends = site.submit(HELD, name="is told to stop")
    for job in (tasks, gang, ends):
        site.until(job, "running")
    waits = site.submit("true", name="waits", gpus=4, nodes=2, idle_after="1h")
    late = site.submit("true", name="late", gpus=4, deadline="1s")
    wait_for(lambda: all(site.ask("GET", f"/api/jobs/{job}")["reason"] for job in (waits, late)), "why they wait")
    return ends


def close_books(database: Engine) -> None:
    """Pages of few events, as a server closes where there are many."""
    fleet._ON_A_PAGE = 20
    while close_page(database, time.time() + _A_PAGE_S, FleetMemory()):
        pass


def dumped(path: Path, neutral: dict[str, str]) -> Iterator[str]:
    """As SQL, a row a line."""
    with sqlite3.connect(path) as connection:
        for line in connection.iterdump():
            for found, instead in neutral.items():
                line = line.replace(found, instead)
            yield line


def _processes() -> list[int]:
    return [
        int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal() and path.name != str(os.getpid())
    ]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def main() -> None:
    """Print it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        site = Site(folder)
        try:
            ends = fill(site)
        finally:
            path = site.end()
        database = open_database(f"sqlite:///{path}")
        with database.begin() as connection:
            Records(connection).tell("stop", ends, {"reason": "stopped by ana"})
        close_books(database)
        database.dispose()
        me = getpass.getuser()
        neutral = {
            str(site.home): "/home/ana/.drivetrain",
            str(site.code): "/home/ana/code",
            sys.prefix: "/home/ana/venv",
            f"'{me}'": "'ops'",
            f'"{me}"': '"ops"',
            f"by {me}": "by ops",
            f"'of {socket.gethostname()}'": "'of n1'",
            token_hash(site.server.token): token_hash("ops"),
            token_hash(site.ana): token_hash("ana"),
        }
        for line in dumped(path, neutral):
            print(line)


if __name__ == "__main__":
    main()
