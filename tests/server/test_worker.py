"""A controller goes on, whatever one job or one message is like."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update
from tests.server.known import NODES, NOW_S

from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.controller.states import JobState
from drivetrain.compute.engines.fake import FakeEngine
from drivetrain.compute.job import Job
from drivetrain.compute.policy.plan import plan
from drivetrain.compute.policy.values import Failure, Pool
from drivetrain.server.asking import Asking
from drivetrain.server.database import Records, open_database, reading, tables
from drivetrain.server.services import jobs
from drivetrain.server.services.people import Person, Role
from drivetrain.server.steady import SteadyClock
from drivetrain.server.worker import Worker

WHO = Person("ana", Role.OPERATOR, ("maps",))


class Controller:
    """One on a set clock, with an engine without machines; what it says is kept in `notes`."""

    def __init__(self, folder: Path) -> None:
        self.database = open_database(f"sqlite:///{folder}/known.sqlite")
        with self.database.begin() as connection:
            Records(connection).set_setting("pool", "p", Pool("p"))
        self.notes: list[str] = []
        self.worker = Worker(
            self.database,
            {"p": FakeEngine(NODES)},
            plan,
            Asking(folder, "http://127.0.0.1:1", b"key"),
            folder,
            clock=SteadyClock(lambda: NOW_S, lambda: NOW_S),
            on_note=self.notes.append,
        )

    def submit(self, name: str) -> str:
        job = Job(command=("true",), name=name, team="maps", gpus=1)
        with self.database.begin() as connection:
            return jobs.submit(connection, WHO, job, snapshot="", folder="/", key="", now_s=NOW_S).id

    def state(self, job: str) -> JobState:
        with reading(self.database) as connection:
            found = Records(connection).job(job)
        assert found is not None
        return found.state


@pytest.fixture
def controller(tmp_path: Path, own_home: Path) -> Iterator[Controller]:
    made = Controller(tmp_path)
    yield made
    made.worker.stop()
    made.database.dispose()


def test_a_job_that_this_version_would_refuse_was_accepted_once_and_runs(controller: Controller) -> None:
    old, other = controller.submit("old"), controller.submit("other")
    table = tables.jobs
    with controller.database.begin() as connection:
        text = connection.scalar(table.select().with_only_columns(table.c.record).where(table.c.id == old))
        record = str(text).replace('"name":"old"', f'"name":"{"x" * 300}"')
        assert record != text
        connection.execute(update(table).where(table.c.id == old).values(record=record))
    controller.worker.turn()
    assert {controller.state(job) for job in (old, other)} == {JobState.STARTING}


def test_a_message_that_comes_with_an_error_each_time_is_dropped_and_the_others_are_heard(
    controller: Controller,
) -> None:
    job = controller.submit("job")
    controller.worker.turn()
    with controller.database.begin() as connection:
        Records(connection).tell("exit", f"{job}.0", {})
        Records(connection).tell("stop", job, {"reason": "ana said so"})
    for _ in range(3):
        with pytest.raises(KeyError):
            controller.worker.turn()
        controller.worker.begin_anew()
    controller.worker.turn()
    assert controller.state(job) is JobState.LEAVING
    assert len(controller.notes) == 1
    assert "dropped" in controller.notes[0]
    with reading(controller.database) as connection:
        assert not Records(connection).messages()


def test_failures_of_nodes_are_known_to_a_controller_that_begins(controller: Controller) -> None:
    node = NODES[0].name
    found = [Failure(node, NOW_S - 60 * number, f"job-{number % 2}", "its agent was lost") for number in range(3)]
    with controller.database.begin() as connection:
        old = Failure(node, NOW_S - 90_000, "job-7", "its agent was lost")
        events = ((int(each.at_s * 1e9), "failure", each.node, each) for each in (old, *found))
        Records(connection).add_events(events)
    controller.submit("job")
    controller.worker.turn()
    with reading(controller.database) as connection:
        states = {each.name: each.evidence for each in Records(connection).settings("node", NodeRecord)}
    assert states[node].startswith("3 failures of 2 jobs in 24 h")
