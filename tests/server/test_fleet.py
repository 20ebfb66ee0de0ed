"""What became of the fleet is read from all that happened, and of jobs that are over only once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine
from tests.server.known import NODES, NOW_S, job

from drivetrain import ledger
from drivetrain.compute.controller.changes import Settings
from drivetrain.compute.controller.world import World
from drivetrain.compute.policy.plan import plan
from drivetrain.compute.policy.values import Pool
from drivetrain.core.units import NS_PER_S
from drivetrain.ledger.fleet import (
    WINDOW_NS,
    Attempt,
    Fleet,
    RankTold,
    Told,
    fleet_now,
    now_json,
    statement,
    statement_json,
)
from drivetrain.server.database import Records, open_database, reading
from drivetrain.server.database.books import read_books
from drivetrain.server.services import fleet as service
from drivetrain.server.services import telling
from drivetrain.server.services.fleet import FleetMemory, close_page, read_fleet
from drivetrain.store import create_run


def shown(fleet: Fleet) -> tuple[object, object]:
    assert fleet.since_ns is not None
    account = statement(fleet, fleet.since_ns, fleet.read_at_ns, by=("team", "job"))
    account.check()
    return now_json(fleet_now(fleet, window_ns=fleet.read_at_ns - fleet.since_ns)), statement_json(account)


def past(database: Engine, num_jobs: int) -> Engine:
    """A database in which so many jobs came and went, one after the other, to `NOW_S`."""
    world = World((), (), (), Settings((Pool("p"),), (), ()))
    for node in NODES:
        world.set_node(node)
    jobs, attempts = {}, {}
    with database.begin() as connection:
        records = Records(connection)
        records.set_setting("pool", "p", Pool("p", price_per_gpu_h=2_000_000))
        for number in range(num_jobs):
            now_s = NOW_S - 60.0 * (num_jobs - number)
            came = replace(job(number), run=f"run-{number}", submitted_s=now_s)
            create_run(["true"], 1, run_id=came.run)
            for after_s in (0, 1, 30 + 5 * number):
                if after_s == 0:
                    world.add(came)
                    world.decided(plan(world.snapshot(now_s), now_s), now_s)
                elif after_s == 1:
                    world.alive(f"{came.id}.0", now_s + after_s)
                else:
                    world.exited(f"{came.id}.0", 0, number % 2, now_s + after_s)
                changes = world.take_changes()
                jobs |= changes.jobs
                attempts |= changes.attempts
                records.add_events((int((now_s + after_s) * NS_PER_S), *event) for event in changes.events)
        records.add_jobs(list(jobs.values()))
        records.add_attempts(attempts.values())
    return database


def test_what_is_remembered_of_past_jobs_changes_nothing_and_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIVETRAIN_HOME", str(tmp_path))
    database, memory, read = past(open_database(f"sqlite:///{tmp_path}/known.sqlite"), 4), FleetMemory(), list[str]()
    account = telling._account

    def counted(run: str, clock: Callable[[], float]) -> tuple[ledger.Account | None, float]:
        read.append(run)
        return account(run, clock)

    monkeypatch.setattr(telling, "_account", counted)
    for later_s, num_read in ((0.0, 4), (60.0, 0), (500.0, 2), (3600.0, 2), (3660.0, 0), (7000.0, 0)):
        with reading(database) as connection:
            at_ns = int((NOW_S + later_s) * NS_PER_S)
            anew = shown(read_fleet(connection, at_ns, at_ns - WINDOW_NS))
            read.clear()
            assert shown(read_fleet(connection, at_ns, at_ns - WINDOW_NS, memory=memory)) == anew
        assert len(read) == num_read, later_s


def test_what_things_cost_is_known_without_reading_any_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIVETRAIN_HOME", str(tmp_path))
    database, at_ns = past(open_database(f"sqlite:///{tmp_path}/known.sqlite"), 4), int(NOW_S * NS_PER_S)
    monkeypatch.setattr(telling, "_told", made_up)
    with reading(database) as connection:
        whole = read_fleet(connection, at_ns, 0, ("team",))
        monkeypatch.setattr(telling, "_account", lambda *_: pytest.fail("a run is read"))
        quickly = read_fleet(connection, at_ns, 0, ("team",), with_leaves=False)
    assert statement(quickly, 0, at_ns).whole.leaves != statement(whole, 0, at_ns).whole.leaves
    assert statement(quickly, 0, at_ns).whole.cost == statement(whole, 0, at_ns).whole.cost > 0


def made_up(_: object, attempt: Attempt, *__: object) -> Told:
    """What a run may say of an attempt: half of its time productive, the other half lost or waiting for data."""
    half_ns = ((attempt.end_ns or attempt.start_ns) - attempt.start_ns) // 2
    ranks = tuple(RankTold(rank, 4, attempt.start_ns, (half_ns, half_ns), "pd" if rank else "lp") for rank in (0, 1))
    return Told(0, attempt.job, attempt.number, ranks, 8 * half_ns, 3 * half_ns)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setenv("DRIVETRAIN_HOME", str(tmp_path))
    if request.param == "sqlite":
        database = open_database(f"sqlite:///{tmp_path}/known.sqlite")
    else:
        database = open_database(request.getfixturevalue("postgres").database(f"t{os.urandom(6).hex()}"))
    yield database
    database.dispose()


def test_a_history_closed_page_by_page_says_the_same_and_is_read_no_more(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    past(database, 12)
    monkeypatch.setattr(service, "_ON_A_PAGE", 9)
    monkeypatch.setattr(telling, "_told", made_up)
    now_s = NOW_S + 3600.0
    at_ns = int(now_s * NS_PER_S)
    windows = [0, *(at_ns - int(seconds * NS_PER_S) for seconds in (4310, 4000, 3900.5, 3700, 3600, 10))]

    def told() -> list[object]:
        with reading(database) as connection:
            return [shown(read_fleet(connection, at_ns, since_ns)) for since_ns in windows]

    whole, num_pages = told(), 0
    assert len({str(each) for each in whole}) == len(windows)
    while close_page(database, now_s, FleetMemory()):
        num_pages += 1
        assert told() == whole
    assert num_pages > 5
    read = list[str]()
    monkeypatch.setattr(telling, "_account", lambda run, clock: (read.append(run), clock()))
    monkeypatch.setattr(telling, "_told", lambda *_: None)
    with reading(database) as connection:
        read_fleet(connection, at_ns)
    assert len(read) <= 2, "what was closed is read again"


def test_of_two_servers_one_closes_a_page(database: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    past(database, 12)
    monkeypatch.setattr(service, "_ON_A_PAGE", 9)
    for _ in range(2):
        with reading(database) as connection:
            before = read_books(connection)
        assert close_page(database, NOW_S + 3600.0, FleetMemory())
        monkeypatch.setattr(service, "read_books", lambda _, of=before: of)
        assert not close_page(database, NOW_S + 3600.0, FleetMemory())
        monkeypatch.setattr(service, "read_books", read_books)


def test_who_reads_while_a_page_is_added_counts_nothing_twice(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    past(database, 12)
    monkeypatch.setattr(service, "_ON_A_PAGE", 9)
    at_ns = int((NOW_S + 3600.0) * NS_PER_S)
    for since_ns in (0, at_ns - 4000 * NS_PER_S):
        with reading(database) as connection:
            before, whole = read_books(connection), shown(read_fleet(connection, at_ns, since_ns))
        assert close_page(database, NOW_S + 3600.0, FleetMemory())
        monkeypatch.setattr(service, "read_books", lambda _, of=before: of)  # as it was before the page
        with reading(database) as connection:
            assert shown(read_fleet(connection, at_ns, since_ns)) == whole
        monkeypatch.setattr(service, "read_books", read_books)
