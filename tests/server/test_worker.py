"""A controller goes on, whatever one job or one message is like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from tests.server.known import NODES, NOW_S

from drivetrain.compute.controller.nodes import NodeRecord, with_what_is_free
from drivetrain.compute.controller.states import AttemptState, JobRecord, JobState, Why
from drivetrain.compute.engines import Ending, StartRequest
from drivetrain.compute.engines.fake import FakeEngine
from drivetrain.compute.job import Job
from drivetrain.compute.policy.plan import plan
from drivetrain.compute.policy.values import MILLI, Failure, Pool
from drivetrain.core.errors import StoreError
from drivetrain.core.units import NS_PER_S
from drivetrain.core.variables import home
from drivetrain.server.asking import Asking
from drivetrain.server.database import Records, open_database, reading, tables
from drivetrain.server.services import jobs
from drivetrain.server.services.fleet import read_fleet
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
        self.now_s = NOW_S
        self.engine = FakeEngine(NODES)
        self.worker = Worker(
            self.database,
            {"p": self.engine},
            plan,
            Asking(home(), "http://127.0.0.1:1", b"key"),
            folder,
            clock=SteadyClock(lambda: self.now_s, lambda: self.now_s),
            on_note=self.notes.append,
        )

    def submit(self, name: str, **more: Any) -> str:
        job = Job(**{"command": ("true",), "name": name, "team": "maps", "gpus": 1, **more})
        with self.database.begin() as connection:
            return jobs.submit(connection, WHO, job, snapshot="", folder="/", key="", now_s=NOW_S).id

    def capacity(self) -> int:
        """Devices that the fleet's books have now."""
        with reading(self.database) as connection:
            at_ns = int(self.now_s * NS_PER_S) + 1
            pools = read_fleet(connection, at_ns).pools.values()
        return sum(pool.level_at(at_ns).capacity for pool in pools) // MILLI

    def free(self) -> int:
        """Devices that could be given now."""
        with reading(self.database) as connection:
            records = Records(connection)
            nodes = with_what_is_free(records.settings("node", NodeRecord), records.living_attempts())
        return sum(sum(node.free_milli) for node in nodes) // MILLI

    def state(self, job: str) -> JobState:
        return self.job(job).state

    def job(self, job: str) -> JobRecord:
        with reading(self.database) as connection:
            found = Records(connection).job(job)
        assert found is not None
        return found

    def node(self, name: str) -> NodeRecord:
        with reading(self.database) as connection:
            return next(each for each in Records(connection).settings("node", NodeRecord) if each.name == name)

    def tell(self, kind: str, subject: str, data: object) -> None:
        with self.database.begin() as connection:
            Records(connection).tell(kind, subject, data)
        self.worker.turn()


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


def test_what_others_have_of_a_node_is_neither_given_nor_capacity_and_what_is_back_is_both(
    controller: Controller,
) -> None:
    controller.engine.machines = tuple(replace(node, others_gpus=7, others_cpus=40) for node in NODES)
    kept = [controller.submit(f"job-{number}") for number in range(3)]
    controller.worker.turn()
    assert [controller.state(job) for job in kept] == [JobState.STARTING, JobState.STARTING, JobState.WAITING]
    assert (controller.capacity(), controller.free()) == (2, 0)
    controller.engine.machines = NODES
    controller.now_s += 5
    controller.worker.turn()
    assert controller.state(kept[2]) is JobState.STARTING
    assert (controller.capacity(), controller.free()) == (16, 13)


def test_where_others_wait_in_the_engine_s_own_line_a_job_stands_there_too(controller: Controller) -> None:
    controller.engine.machines = tuple(replace(node, others_gpus=8) for node in NODES)
    job = controller.submit("job")
    controller.worker.turn()
    assert (controller.state(job), controller.capacity()) == (JobState.WAITING, 0)
    controller.engine.machines = tuple(replace(node, others_gpus=8, is_contested=True) for node in NODES)
    controller.now_s += 5
    controller.worker.turn()
    assert (controller.state(job), controller.capacity()) == (JobState.STARTING, 1)


def test_a_node_that_is_asleep_gets_what_no_other_has_room_for_and_is_capacity_while_somebody_has_it(
    controller: Controller,
) -> None:
    asleep, awake = NODES
    controller.engine.machines = (replace(asleep, is_asleep=True), awake)
    for node, capacity in ((awake, 8), (asleep, 16)):
        job = controller.submit("job", gpus=8)
        controller.worker.turn()
        with reading(controller.database) as connection:
            (attempt,) = Records(connection).attempts_of(job)
        assert [share.node for share in attempt.shares] == [node.name]
        assert controller.capacity() == capacity


def test_what_has_not_begun_has_not_run_for_its_longest_time(controller: Controller) -> None:
    job = controller.submit("job", max_runtime="10m", idle_after="5m")
    controller.worker.turn()
    controller.now_s += 3600
    controller.worker.turn()
    assert controller.state(job) is JobState.STARTING


def test_a_cordoned_node_that_is_taken_back_gets_work_until_it_fails_again(controller: Controller) -> None:
    name = NODES[0].name
    found = [Failure(name, NOW_S - 60 * number, f"job-{number % 2}", "its agent was lost") for number in range(3)]
    with controller.database.begin() as connection:
        Records(connection).add_events((int(each.at_s * 1e9), "failure", name, each) for each in found)
    controller.worker.turn()
    assert controller.node(name).state == "cordoned"
    controller.now_s += 5
    controller.tell("node", name, {"state": "up", "reason": ""})
    for _ in range(2):
        controller.submit("job")
        controller.now_s += 100
        controller.worker.turn()
        assert controller.node(name).state == "up"
        controller.worker.begin_anew()


@pytest.mark.parametrize(("why", "num_failures"), [(None, 1), ("ana said so", 0)])
def test_a_lost_agent_speaks_against_its_node_unless_its_job_was_told_to_leave(
    controller: Controller, why: str | None, num_failures: int
) -> None:
    job = controller.submit("job")
    controller.worker.turn()
    controller.tell("alive", f"{job}.0", {"step": None, "saved_step": None})
    if why:
        controller.tell("stop", job, {"reason": why})
    controller.engine.agents.clear()
    for _ in range(2):
        controller.now_s += 60
        controller.worker.turn()
    with reading(controller.database) as connection:
        assert Records(connection).attempts_of(job)[0].lost == (0,)
        assert len(Records(connection).failures(0)) == num_failures


def test_a_node_that_somebody_drained_is_drained_when_it_is_back(controller: Controller) -> None:
    name = NODES[0].name
    controller.worker.turn()
    controller.tell("node", name, {"state": "draining", "reason": "a fan"})
    shown = []
    for state in ("down", "down", "up", "draining", "up"):
        machine = replace(NODES[0], state=state, evidence="" if state == "up" else "so says Slurm")
        controller.engine.machines = (machine, *NODES[1:])
        controller.now_s += 5
        controller.worker.turn()
        found = controller.node(name)
        shown.append((found.state, found.evidence))
    drained, down = ("draining", "a fan"), ("down", "so says Slurm")
    assert shown == [down, down, drained, ("draining", "so says Slurm"), drained]
    controller.tell("node", name, {"state": "up", "reason": ""})
    assert controller.node(name).state == "up"


def test_a_node_that_is_away_is_drained_or_taken_back_for_when_it_is_there(controller: Controller) -> None:
    name = NODES[0].name
    controller.worker.turn()
    for told in ("draining", "up"):
        controller.engine.machines = (replace(NODES[0], state="down"), *NODES[1:])
        controller.now_s += 5
        controller.worker.turn()
        controller.tell("node", name, {"state": told, "reason": "a fan"})
        assert controller.node(name).state == "down"
        controller.engine.machines = NODES
        controller.now_s += 5
        controller.worker.turn()
        assert controller.node(name).state == told


def test_a_job_that_its_engine_does_not_begin_says_why(controller: Controller) -> None:
    job = controller.submit("job")
    controller.worker.turn()
    controller.engine.holding_up[f"{job}.0"] = "Slurm has not begun it: Resources"
    controller.now_s += 2
    controller.worker.turn()
    placed = controller.job(job).reason
    assert "Slurm" not in placed
    controller.now_s += 20
    controller.worker.turn()
    assert controller.job(job).reason == f"{placed}; Slurm has not begun it: Resources"
    controller.engine.holding_up.clear()
    controller.now_s += 2
    controller.worker.turn()
    assert controller.job(job).reason == placed


def test_a_job_that_its_engine_does_not_take_says_why_and_speaks_against_no_node(controller: Controller) -> None:
    start = controller.engine.start

    def refuse(request: StartRequest) -> None:
        raise StoreError("sbatch: error: job submit limit")

    controller.engine.start = refuse  # type: ignore[method-assign]
    job = controller.submit("job")
    controller.worker.turn()
    controller.now_s += 10
    controller.worker.turn()
    assert controller.job(job).reason.endswith("; sbatch: error: job submit limit")
    controller.now_s += 30
    controller.worker.turn()
    assert (controller.state(job), controller.job(job).num_lost) == (JobState.WAITING, 0)
    with reading(controller.database) as connection:
        assert Records(connection).attempts_of(job)[0].reason == "not taken by pool p: sbatch: error: job submit limit"
        assert not Records(connection).failures(0)
    controller.engine.start = start  # type: ignore[method-assign]
    controller.now_s += 100
    controller.worker.turn()
    assert controller.job(job).num_attempts == 2
    assert f"{job}.1" in {attempt for attempt, _ in controller.engine.agents}


ENDINGS = (
    (Ending(Why.LOST, "node a was taken down by Slurm", (NODES[0].name,)), JobState.WAITING, 1),
    (Ending(Why.STOPPED, "cancelled in Slurm"), JobState.STOPPED, 0),
    (Ending(Why.PREEMPTED, "preempted by Slurm"), JobState.WAITING, 0),
    (Ending(Why.OVER_TIME, "ended by Slurm at its limit of time"), JobState.STOPPED, 0),
)


@pytest.mark.parametrize(("ending", "state", "num_failures"), ENDINGS)
def test_what_an_engine_ended_by_itself_is_told_as_that_and_not_as_a_failure_of_the_job(
    controller: Controller, ending: Ending, state: JobState, num_failures: int
) -> None:
    job = controller.submit("job")
    controller.worker.turn()
    node = controller.engine.agents[f"{job}.0", 0]
    controller.tell("alive", f"{job}.0", {"step": None, "saved_step": None})
    nodes = (node,) if ending.nodes else ()
    controller.engine.endings[f"{job}.0"] = Ending(ending.why, ending.words, nodes)
    controller.tell("exit", f"{job}.0", {"member": 0, "exit_code": 143, "words": "stopped by SIGTERM"})
    with reading(controller.database) as connection:
        [attempt, *_] = Records(connection).attempts_of(job)
        assert (attempt.state, attempt.why, attempt.reason) == (AttemptState.ENDED, ending.why, ending.words)
        assert len(Records(connection).failures(0)) == num_failures
    found = controller.job(job)
    assert found.state is state or (state is JobState.WAITING and found.num_attempts == 2)


def test_an_end_is_heard_once_the_engine_says_how_it_came_but_not_never(controller: Controller) -> None:
    job = controller.submit("job")
    controller.worker.turn()
    controller.tell("alive", f"{job}.0", {"step": None, "saved_step": None})
    ending = controller.engine.ending

    def says_nothing(attempt: str) -> Ending | None:
        raise StoreError(f"{attempt} is being ended")

    controller.engine.ending = says_nothing  # type: ignore[method-assign]
    controller.tell("exit", f"{job}.0", {"member": 0, "exit_code": 143})
    assert controller.state(job) is JobState.RUNNING
    controller.now_s += 5
    controller.worker.turn()
    assert controller.state(job) is JobState.RUNNING
    controller.engine.ending = ending  # type: ignore[method-assign]
    controller.engine.endings[f"{job}.0"] = Ending(Why.STOPPED, "cancelled in Slurm")
    controller.now_s += 5
    controller.worker.turn()
    assert controller.job(job).reason == "cancelled in Slurm"
    other = controller.submit("other")
    controller.worker.turn()
    controller.engine.ending = says_nothing  # type: ignore[method-assign]
    controller.tell("exit", f"{other}.0", {"member": 0, "exit_code": 3})
    controller.now_s += 30
    controller.worker.turn()
    assert controller.state(other) is JobState.FAILED


def test_a_trouble_that_lasts_is_told_once_and_again_when_it_comes_back(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = StoreError("the database is away\n\tIs it running?")
    turns = iter([away, away, away, None, away])
    worker = controller.worker

    def turn() -> float:
        worker.wake()
        now = next(turns, "over")
        if isinstance(now, StoreError):
            raise now
        if now == "over":
            worker._over.set()
        return 0.0

    monkeypatch.setattr(worker, "turn", turn)
    worker._turns()
    assert controller.notes == ["the controller begins anew: the database is away"] * 2


def test_how_far_an_attempt_came_is_what_its_last_word_says_and_its_speed_is_not_of_the_time_after(
    controller: Controller,
) -> None:
    job = controller.submit("job")
    controller.worker.turn()
    controller.tell("alive", f"{job}.0", {"step": 0, "saved_step": None})
    controller.now_s += 120.0
    said = {"member": 0, "exit_code": 0, "step": 1000, "saved_step": 1001, "stepped_s": controller.now_s - 20.0}
    controller.tell("exit", f"{job}.0", said)
    with reading(controller.database) as connection:
        (attempt,) = Records(connection).attempts_of(job)
    assert (attempt.state, attempt.step, attempt.saved_step) == (AttemptState.ENDED, 1000, 1001)
    assert attempt.steps_per_s == 10.0


def test_a_controller_begins_once_for_as_long_as_no_other_works(tmp_path: Path, controller: Controller) -> None:
    begun: list[str] = []
    asking = Asking(home(), "http://127.0.0.1:1", b"key")
    folder, engines = tmp_path / "other", {"p": controller.engine}
    worker = Worker(controller.database, engines, plan, asking, folder, on_begin=lambda: begun.append("begun"))
    worker.turn()
    with controller.database.begin() as connection:
        Records(connection).tell("settings", "quota", None)
    for _ in range(3):
        worker.turn()
    assert begun == ["begun"]
    worker.begin_anew()
    worker.turn()
    assert begun == ["begun", "begun"]
    worker.stop()


def test_a_job_that_left_for_a_gang_does_not_come_back_while_the_gang_waits_for_the_others_to_leave(
    controller: Controller,
) -> None:
    short = controller.submit("short", gpus=8)
    controller.worker.turn()
    controller.tell("alive", f"{short}.0", {"step": None, "saved_step": None})
    controller.now_s += 60
    controller.tell("exit", f"{short}.0", {"member": 0, "exit_code": 0})
    long = [controller.submit("long", gpus=8, preemptible=True) for _ in NODES]
    controller.worker.turn()
    for job in long:
        controller.tell("alive", f"{job}.0", {"step": None, "saved_step": None})
    controller.now_s += 3600  # much longer than any that ended
    gang = controller.submit("gang", gpus=8, nodes=len(NODES), priority="high")
    controller.worker.turn()
    assert {controller.state(job) for job in long} == {JobState.LEAVING}
    for job in long:
        assert controller.state(gang) is JobState.WAITING
        controller.tell("exit", f"{job}.0", {"member": 0, "exit_code": 143})
        controller.now_s += 1
        controller.worker.turn()
        assert controller.state(job) is JobState.WAITING
    assert controller.state(gang) is JobState.STARTING


def test_an_array_whose_workers_all_ended_before_its_tasks_ends_as_the_last_of_them_did(controller: Controller) -> None:
    array = controller.submit("array", gpus=0, array="0-9", nodes="1:2")
    controller.worker.turn()
    for number in range(2):
        controller.tell("alive", f"{array}-{number}.0", {"step": None, "saved_step": None})
    assert controller.state(array) is JobState.RUNNING
    said = {"member": 0, "exit_code": 2, "words": "the secret X is not on this node"}
    controller.tell("exit", f"{array}-1.0", said)
    assert controller.state(array) is JobState.RUNNING, "the other one is still there"
    controller.tell("exit", f"{array}-0.0", said)
    found = controller.job(array)
    assert (found.state, found.exit_code) == (JobState.FAILED, 2)
    assert found.reason.startswith("no worker is left for its tasks, the last: ended with 2 on ")
    assert found.reason.endswith(": the secret X is not on this node")
    assert found.ended_s is not None


def test_an_array_whose_workers_are_over_their_time_was_stopped(controller: Controller) -> None:
    array = controller.submit("array", gpus=0, array="0-9", nodes="1:2", max_runtime="1m")
    controller.worker.turn()
    for number in range(2):
        controller.tell("alive", f"{array}-{number}.0", {"step": None, "saved_step": None})
    controller.now_s += 61
    controller.worker.turn()
    for number in range(2):
        controller.tell("exit", f"{array}-{number}.0", {"member": 0, "exit_code": 143})
    assert controller.state(array) is JobState.STOPPED
