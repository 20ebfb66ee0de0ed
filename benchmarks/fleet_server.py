"""What `top` and `cost` take of a server: the week of `fleet.py` with 20,000 attempts, as in a year of a million.

The database is made once, in a process of its own, its books written up by the server's own code; what runs told of
their attempts is made too, as no run has a folder here. Then one process asks, as a server is asked: its own CPU time,
since the machine has other work, the first time and with what it remembers of that. SQLite.

The second case has runs that go on, with journals (`running.py`): one folder of them, which all runs share.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine

from benchmarks.fleet import POOLS, WEEK_NS, week
from benchmarks.running import STEP_NS, open_fleet, write_journals
from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.controller.states import AttemptRecord, JobRecord
from drivetrain.compute.job import Job
from drivetrain.compute.policy.values import Pool, Share
from drivetrain.core.units import NS_PER_S
from drivetrain.ledger.fleet import (
    WINDOW_NS,
    Alloc,
    Attempt,
    FleetEvent,
    Free,
    Leave,
    NodeEvent,
    Told,
    Wait,
    cost_text,
    fleet_now,
    now_json,
    now_text,
    statement,
    statement_json,
)
from drivetrain.server.database import Records, open_database, reading
from drivetrain.server.services import fleet as service
from drivetrain.server.services import telling

NUM_SAMPLES = 2
LIMIT_S = 1200
NUM_CORES = 0
_DAY_NS = WEEK_NS // 7
_JOB = Job(command=("true",))
_AT_ONCE = 20_000
_MEMORY = service.FleetMemory()


def bench_books(num_nodes: int = 1000, num_attempts: int = 20_000) -> dict[str, float]:
    """CPU time of each question, size of the database, and memory that the process came to hold."""
    path = Path("week.sqlite").absolute()
    if not path.exists():
        made = path.with_name("making.sqlite")
        made.unlink(missing_ok=True)
        arguments = ["-m", "benchmarks.fleet_server", str(made), str(num_nodes), str(num_attempts)]
        subprocess.run([sys.executable, *arguments], check=True, cwd=Path(__file__).resolve().parents[1])
        made.rename(path)
    database = open_database(f"sqlite:///{path}")
    found: dict[str, float] = {
        "first_s": _took_s(database, _top),
        "top_s": _took_s(database, _top),
        "day_s": _took_s(database, lambda connection: _cost(connection, _DAY_NS, "team")),
        "week_s": _took_s(database, lambda connection: _cost(connection, WEEK_NS, "team")),
        "week_by_user_s": _took_s(database, lambda connection: _cost(connection, WEEK_NS, "user")),
    }
    database.dispose()
    memory = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found | {"resident_bytes": memory, "file_bytes": path.stat().st_size}


def bench_running(num_jobs: int = 50, num_ranks: int = 8, num_steps: int = 2000) -> dict[str, float]:
    """CPU time of `top` over jobs that train: the first time, at once again, and a minute later."""
    home = Path(tempfile.mkdtemp(dir="."), "home").absolute()
    os.environ["DRIVETRAIN_HOME"] = str(home)
    began_ns, journals = time.time_ns() - num_steps * STEP_NS, home / "journals"
    write_journals(journals, "run-0", num_ranks, num_steps)
    for number in range(num_jobs):
        folder = home / "runs" / f"run-{number}"
        folder.mkdir(parents=True)
        (folder / "journal").symlink_to(journals)
    database = open_fleet(home / "running.sqlite", num_jobs, num_ranks, began_ns)
    later_s = 0.0
    memory = service.FleetMemory(runs=telling.Telling(clock=lambda: time.monotonic() + later_s))

    def ask(connection: Connection) -> None:
        at_ns = time.time_ns() + int(later_s * NS_PER_S)
        now = fleet_now(service.read_fleet(connection, at_ns, at_ns - WINDOW_NS, ("pool", "job"), memory))
        assert now.account.leaves["productive"] > 0.5 * now.account.allocated, "the runs' accounts were not read"
        now_json(now), now_text(now)

    found = {"first_s": _took_s(database, ask), "again_s": _took_s(database, ask)}
    later_s = 60.0
    found["minute_s"] = _took_s(database, ask)
    database.dispose()
    return found


def _took_s(database: Engine, ask: Callable[[Connection], object]) -> float:
    begun_s = time.process_time()
    with reading(database) as connection:
        ask(connection)
    return time.process_time() - begun_s


def _top(connection: Connection) -> object:
    now = fleet_now(service.read_fleet(connection, WEEK_NS, WEEK_NS - WINDOW_NS, ("pool", "job"), _MEMORY))
    return now_json(now), now_text(now)


def _cost(connection: Connection, window_ns: int, by: str) -> object:
    fleet = service.read_fleet(connection, WEEK_NS, WEEK_NS - window_ns, (by,), _MEMORY)
    found = statement(fleet, WEEK_NS - window_ns, WEEK_NS, by=(by,))
    return statement_json(found), cost_text(found)


def make(path: Path, num_nodes: int, num_attempts: int) -> None:
    """A database with the week's history and its books."""
    database = open_database(f"sqlite:///{path}")
    told: dict[str, Told] = {}
    rows = _Rows(told)
    for event in sorted(week(num_nodes, num_attempts), key=lambda event: event.t):
        rows.take(event)
    with database.begin() as connection:
        records = Records(connection)
        for name, price in POOLS.items():
            records.set_setting("pool", name, Pool(name, price_per_gpu_h=price))
        jobs = list(rows.jobs.values())
        for begin in range(0, len(jobs), _AT_ONCE):
            records.add_jobs(jobs[begin : begin + _AT_ONCE])
        for begin in range(0, len(rows.events), _AT_ONCE):
            records.add_events(rows.events[begin : begin + _AT_ONCE])

    def told_of(_: object, attempt: Attempt, *__: Any) -> Told | None:
        return told.get(f"{attempt.job}.{attempt.number}")

    telling._told = told_of
    while service.close_page(database, WEEK_NS / NS_PER_S, service.FleetMemory()):
        pass
    database.dispose()


class _Rows:
    """Events of a ledger -> what a controller writes of the same."""

    def __init__(self, told: dict[str, Told]) -> None:
        self.events: list[tuple[int, str, str, object]] = []
        self.jobs: dict[str, JobRecord] = {}
        self._told = told
        self._parts: dict[str, list[Alloc]] = {}

    def take(self, event: FleetEvent) -> None:
        self._place(event.t if not isinstance(event, Alloc) else -1)
        if isinstance(event, NodeEvent):
            node = NodeRecord(name=event.node, pool=event.pool, num_gpus=event.devices, cpus=96, state=event.state)
            self._add(event.t, "node", event.node, node)
        elif isinstance(event, Wait):
            self.jobs[event.job] = JobRecord(id=event.job, job=_JOB, user=event.user, team=event.team, run="run")
            asked = {name: getattr(event, name) for name in ("user", "team", "nodes", "gpu", "pool", "milli")}
            self._add(event.t, "job waiting", event.job, asked | {"is_array": False})
        elif isinstance(event, Leave):
            self._add(event.t, "job stopped", event.job, {})
        elif isinstance(event, Alloc):
            self._parts.setdefault(event.job, []).append(event)
        elif isinstance(event, Free):
            self._add(event.t, "attempt ended", f"{event.job}.0", _attempt(event.job, (), event.t))
            self._add(event.t, "job succeeded", event.job, {})
        elif isinstance(event, Told):
            self._told[f"{event.job}.{event.attempt}"] = event

    def _place(self, until_ns: int) -> None:
        """What was given at one instant, all pieces of it."""
        for job, parts in [] if until_ns < 0 else list(self._parts.items()):
            self._add(parts[0].t, "attempt placed", f"{job}.0", _attempt(job, parts, parts[0].t))
            del self._parts[job]

    def _add(self, at_ns: int, kind: str, subject: str, data: object) -> None:
        self.events.append((at_ns, kind, subject, data))


def _attempt(job: str, parts: Iterable[Alloc], at_ns: int) -> dict[str, Any]:
    shares = tuple(Share(part.node, part.milli) for part in parts)
    record = AttemptRecord(id=f"{job}.0", job=job, number=0, shares=shares, placed_s=at_ns / NS_PER_S)
    plain: dict[str, Any] = msgspec.to_builtins(record)
    return plain


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
