"""A server is upgraded: it opens what an earlier version wrote, tells all that is in it, and goes on with it.

The databases in `kept/` are named after the version of their tables. 0001 was written by the code of 315caa5, 0002 by
e426193, 0003 by 58cbcfb, 0004 by 7c0c267, and each later one by the first code that knew it; see `keep.py`.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from fastapi.testclient import TestClient
from sqlalchemy import Connection, Engine, MetaData, Table, delete, insert, select, text

from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.controller.states import JobState
from drivetrain.compute.engines.fake import FakeEngine
from drivetrain.compute.policy.plan import plan
from drivetrain.compute.snapshot import CodeShelf
from drivetrain.core.units import NS_PER_S
from drivetrain.ledger.fleet import Statement, statement
from drivetrain.server import database
from drivetrain.server.asking import Asking
from drivetrain.server.database import Records, engine_at, open_database, reading, tables
from drivetrain.server.foresee import Foresight
from drivetrain.server.http import make_app
from drivetrain.server.http.state import Server
from drivetrain.server.http.together import Together
from drivetrain.server.keys import attempt_token
from drivetrain.server.services.describing import described
from drivetrain.server.services.fleet import moment_ns, read_fleet
from drivetrain.server.services.following import printed
from drivetrain.server.steady import SteadyClock
from drivetrain.server.worker import Worker

FOLDER = Path(__file__).with_name("kept")
VERSIONS = sorted(path.stem for path in FOLDER.glob("*.sql"))
PLACES = [*((version, "sqlite") for version in VERSIONS), ("0001", "postgresql"), ("0003", "postgresql")]
"""On PostgreSQL those alone in which a migration changes rows, as others take long and tell nothing new."""
MIGRATIONS = Path(database.__file__).with_name("migrations")
KEY = b"key"
OVER = {state.value for state in JobState if state.is_final}
GONE = {"epochs", "expected_s"}
"""What jobs said once and no longer do."""


def _sqlite(version: str, folder: Path) -> str:
    """As it was written; its URL."""
    path = folder / "drivetrain.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript((FOLDER / f"{version}.sql").read_text())
    return f"sqlite:///{path}"


def _copy(source: Engine, target: Engine) -> None:
    """Rows as they are, into tables that are made by the migrations up to that version."""
    ours, theirs = MetaData(), MetaData()
    ours.reflect(source)
    with source.begin() as read, target.begin() as written:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = written
        command.upgrade(config, read.scalar(text("SELECT version_num FROM alembic_version")))
        theirs.reflect(written)
        written.execute(delete(theirs.tables["alembic_version"]))
        for table in ours.sorted_tables:
            _copy_table(read, written, table, theirs.tables[table.name])
    source.dispose()
    target.dispose()


def _copy_table(read: Connection, written: Connection, ours: Table, theirs: Table) -> None:
    for column in {*theirs.c.keys()} - {*ours.c.keys()}:  # 0003 was changed after that one was written
        written.execute(text(f"ALTER TABLE {theirs.name} DROP COLUMN {column}"))
    rows = [dict(row) for row in read.execute(select(ours)).mappings()]
    if rows:
        written.execute(insert(theirs), rows)
    if rows and "seq" in theirs.c and theirs.c.seq.server_default is not None:
        last = {"table": theirs.name, "last": max(row["seq"] for row in rows)}
        written.execute(text("SELECT setval(pg_get_serial_sequence(:table, 'seq'), :last)"), last)


class Upgraded:
    """This version's server on such a database, at a set time, with an engine on which runs what ran then."""

    def __init__(self, url: str, folder: Path) -> None:
        self.database = open_database(url)
        with reading(self.database) as connection:
            records = Records(connection)
            self.now_s = records.newest_event_ns() / NS_PER_S + 1
            self.ran = records.living_attempts()
            nodes = records.settings("node", NodeRecord)
            self.rows = {
                what: {row.id: json.loads(row.record) for row in connection.execute(select(table))}
                for what, table in (("jobs", tables.jobs), ("attempts", tables.attempts))
            }
        self.engine = FakeEngine(
            [NodeRecord(name=n.name, pool=n.pool, gpu=n.gpu, num_gpus=n.num_gpus, cpus=n.cpus) for n in nodes]
        )
        self.engine.agents = {(a.id, member): node for a in self.ran for member, node in enumerate(a.nodes)}
        clock = SteadyClock(lambda: self.now_s, lambda: self.now_s)
        self.foresight = Foresight(self.database)
        self.worker = Worker(
            self.database,
            {"local": self.engine},
            plan,
            Asking(folder, "http://127.0.0.1:1", KEY),
            folder / "server",
            clock=clock,
            on_note=lambda note: pytest.fail(note),
        )
        shelf, told = CodeShelf(folder / "server"), Together(partial(described, self.database))
        read = Together(partial(printed, self.database))
        where = self.database, folder / "server", KEY
        server = Server(*where, shelf, lambda: None, self.foresight, told, read, clock=clock)
        self.app = TestClient(make_app(server))

    def close(self) -> None:
        self.app.close()
        self.foresight.close()
        self.worker.stop()
        self.database.dispose()

    def ask(self, path: str, body: Any = None, *, token: str = "ops") -> Any:
        """What a route answers."""
        method = "GET" if body is None else "POST"
        answer = self.app.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code < 300, (path, answer.text)
        return answer.json()

    def named(self, name: str) -> str:
        """The id of a job that is no worker."""
        jobs = self.rows["jobs"].values()
        (found,) = [str(job["id"]) for job in jobs if job["job"]["name"] == name and not job["parent"]]
        return found

    def turn(self, times: int = 1) -> None:
        """Of the controller, a second each."""
        for _ in range(times):
            self.now_s += 1
            self.worker.turn()

    def end(self, attempt: str) -> None:
        """All its agents say that they are done, or gave way, and end."""
        code = 143 if attempt in self.engine.asked_to_leave else 0
        for member in [member for each, member in self.engine.agents if each == attempt]:
            self.by_agent(attempt, member, "exit", {"exit_code": code})
            self.engine.end(attempt, member)

    def by_agent(self, attempt: str, member: int, path: str, body: Any) -> Any:
        return self.ask(f"/agent/{attempt}/{member}/{path}", body, token=attempt_token(KEY, attempt))

    def do_tasks(self, attempt: str) -> None:
        """A worker ends each task that it is given."""
        with reading(self.database) as connection:
            table = tables.task_leases.c
            mine = list(connection.scalars(select(table.task).where(table.worker == attempt)))
        while mine:
            said = {"results": [(task, 0, 0.5) for task in mine], "num_slots": 4}
            mine = self.by_agent(attempt, 0, "tasks", said)["tasks"]


@pytest.fixture(scope="module", params=PLACES, ids="-".join)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], str]:
    """Makes the same again, on one kind of database; its URL."""
    version, kind = request.param

    def made() -> str:
        url = _sqlite(version, tmp_path_factory.mktemp(version))
        if kind == "sqlite":
            return url
        postgres: str = request.getfixturevalue("postgres").database(f"t{os.urandom(6).hex()}")
        _copy(engine_at(url), engine_at(postgres))
        return postgres

    return made


@pytest.fixture(scope="module")
def upgraded(place: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    """For tests that only look."""
    made = Upgraded(place(), tmp_path_factory.mktemp("home"))
    yield made
    made.close()


def _still(before: Any, now: Any) -> None:
    """What was kept is told as it was; what is told besides is new."""
    if isinstance(before, dict):
        assert set(before) - set(now) <= GONE
        for key in set(before) & set(now):
            _still(before[key], now[key])
    else:
        assert now == before


def test_of_each_version_of_the_tables_a_database_is_kept() -> None:
    made = sorted(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
    assert made == VERSIONS, "have keep.py make one"


def test_all_jobs_attempts_and_events_are_told_as_they_were(upgraded: Upgraded) -> None:
    listed = {job["id"]: job for job in upgraded.ask("/api/jobs?limit=1000")}
    assert set(listed) == {name for name, job in upgraded.rows["jobs"].items() if not job["parent"]}
    table = tables.events
    with reading(upgraded.database) as connection:
        told = [
            (row.at_ns, row.kind, row.subject, json.loads(row.data))
            for row in connection.execute(select(table).order_by(table.c.seq))
        ]
    for name, before in upgraded.rows["jobs"].items():
        job = upgraded.ask(f"/api/jobs/{name}")
        _still(before, job)
        _still(before, listed.get(name, before))
        attempts = {each["id"]: each for each in job["attempts"]}
        assert set(attempts) == {each for each in upgraded.rows["attempts"] if each.rpartition(".")[0] == name}
        for each, attempt in attempts.items():
            _still(upgraded.rows["attempts"][each], attempt)
        events = [event for event in told if event[2] == name or event[2] in attempts]
        assert [tuple(event.values()) for event in job["events"]] == events
    assert listed


def test_people_limits_and_machines_are_as_they_were(upgraded: Upgraded) -> None:
    assert upgraded.ask("/api/me", token="ana") == {"name": "ana", "role": "member", "teams": ["maps", "planning"]}
    roles = {user["name"]: user["role"] for user in upgraded.ask("/api/users")}
    assert roles == {"ana": "member", "ben": "viewer", "ops": "operator"}
    quotas = {quota["team"]: quota["nominal_milli"] for quota in upgraded.ask("/api/settings/quota")}
    assert quotas == {"maps": 12000, "planning": 4000}
    (budget,) = upgraded.ask("/api/budgets")
    assert budget["limit"] == 900_000_000
    assert budget["spent"] > 0
    assert {node["name"]: (node["state"], node["evidence"]) for node in upgraded.ask("/api/nodes")} == {
        "local-0": ("up", ""),
        "local-1": ("up", ""),
        "local-2": ("cordoned", "memory errors"),
    }
    actions = {each["action"] for each in upgraded.ask("/api/audit?limit=1000")}
    assert actions >= {"submit", "stop", "set quota", "make a token for"}
    array = upgraded.ask(f"/api/jobs/{upgraded.named('tasks')}")
    assert (array["tasks"]["num_succeeded"], [each["task"] for each in array["failed_tasks"]]) == (6, [3])


def test_capacity_is_conserved_and_pages_say_what_their_events_do(upgraded: Upgraded) -> None:
    for path in ("/api/cost?by=team", "/api/cost?by=pool,job&since_s=30", "/api/top"):
        found = upgraded.ask(path)["json"]
        whole = found.get("account", found)
        assert sum(whole["leaves_device_ms"].values()) == whole["capacity_device_ms"] > 0
    with upgraded.database.connect() as connection:
        with_pages = _accounts(connection, upgraded.now_s)
        assert all(sum(found.whole.leaves.values()) == found.whole.capacity > 0 for found in with_pages)
        for table in (tables.fleet_books, tables.fleet_pages, tables.fleet_attempts):
            connection.execute(delete(table))
        assert _accounts(connection, upgraded.now_s) == with_pages
        connection.rollback()


def _accounts(connection: Connection, now_s: float) -> list[Statement]:
    """Of all history, and of windows within it."""
    at_ns = moment_ns(connection, now_s)
    found = []
    for since_ns in (0, at_ns - 60 * NS_PER_S, at_ns - 5 * NS_PER_S):
        fleet = read_fleet(connection, at_ns, since_ns)
        found.append(statement(fleet, since_ns, at_ns, by=("team", "job")))
    return found


def test_a_controller_goes_on_with_what_ran_and_finishes_what_waited(
    place: Callable[[], str], tmp_path: Path, own_home: Path
) -> None:
    with contextlib.closing(Upgraded(place(), own_home)) as upgraded:
        unfinished = [name for name, job in upgraded.rows["jobs"].items() if job["state"] not in OVER]
        running = sorted(attempt.id for attempt in upgraded.ran)
        upgraded.turn(3)
        assert upgraded.engine.asked_to_leave == {f"{upgraded.named('is told to stop')}.0"}
        assert not upgraded.engine.started
        for attempt in running:
            upgraded.do_tasks(attempt)
            upgraded.end(attempt)
        for _ in range(4):
            upgraded.turn()
            for attempt in sorted({attempt for attempt, _ in upgraded.engine.agents}):
                upgraded.end(attempt)
        over = [upgraded.ask(f"/api/jobs/{name}") for name in unfinished]
        assert {job["job"]["name"]: job["state"] for job in over if not job["parent"]} == {
            "elastic": "succeeded",
            "is told to stop": "stopped",
            "late": "succeeded",
            "more tasks": "succeeded",
            "running gang": "succeeded",
            "waits": "succeeded",
        }
        assert {job["state"] for job in over} <= OVER
        late, waits = (f"{upgraded.named(name)}.0" for name in ("late", "waits"))
        assert sorted(upgraded.engine.started) == sorted([(late, 0), (waits, 0), (waits, 1)])
        assert {attempt["id"] for job in over for attempt in job["attempts"]} >= {*running, late, waits}


@pytest.mark.parametrize("version", VERSIONS)
def test_migrating_again_changes_nothing(version: str, tmp_path: Path) -> None:
    url, found = _sqlite(version, tmp_path), []
    for _ in range(2):
        engine, known = open_database(url), MetaData()
        known.reflect(engine)
        with reading(engine) as connection:
            found.append({table.name: connection.execute(select(table)).all() for table in known.sorted_tables})
        engine.dispose()
    assert found[0] == found[1]
