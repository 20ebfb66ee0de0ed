"""What became of the fleet is read from all that happened, and of jobs that are over only once."""

from __future__ import annotations

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
from drivetrain.ledger.fleet import Fleet, fleet_now, now_json, statement, statement_json
from drivetrain.server.database import Records, open_database, reading
from drivetrain.server.services import fleet as service
from drivetrain.server.services.fleet import FleetMemory, read_fleet
from drivetrain.store import RunFolder, create_run


def shown(fleet: Fleet) -> tuple[object, object]:
    since_ns = fleet.read_at_ns - 7200 * NS_PER_S
    account = statement(fleet, since_ns, fleet.read_at_ns, by=("team", "job"))
    return now_json(fleet_now(fleet)), statement_json(account)


def past(folder: Path, num_jobs: int) -> Engine:
    """A database in which so many jobs came and went, one after the other, to `NOW_S`."""
    database = open_database(f"sqlite:///{folder}/known.sqlite")
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
            world.add(came)
            world.decided(plan(world.snapshot(now_s), now_s), now_s)
            world.alive(f"{came.id}.0", now_s + 1)
            world.exited(f"{came.id}.0", 0, number % 2, now_s + 30)
            changes = world.take_changes()
            jobs |= changes.jobs
            attempts |= changes.attempts
            records.add_events((int(now_s * NS_PER_S), *event) for event in changes.events)
        records.add_jobs(list(jobs.values()))
        records.add_attempts(attempts.values())
    return database


def test_what_is_remembered_of_past_jobs_changes_nothing_and_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIVETRAIN_HOME", str(tmp_path))
    database, memory, read = past(tmp_path, 4), FleetMemory(), list[str]()
    account = ledger.account

    def counted(run: RunFolder) -> ledger.Account:
        read.append(run.id)
        return account(run)

    monkeypatch.setattr(service.ledger, "account", counted)
    for later_s, num_read in ((0.0, 4), (60.0, 4), (500.0, 4), (3600.0, 1), (3660.0, 0), (7000.0, 0)):
        with reading(database) as connection:
            anew = shown(read_fleet(connection, NOW_S + later_s))
            read.clear()
            assert shown(read_fleet(connection, NOW_S + later_s, memory)) == anew
        assert len(read) == num_read, later_s
