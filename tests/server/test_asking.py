"""What is asked of an engine that does not do what it is asked for."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.controller.states import AttemptRecord, AttemptState, JobRecord, Why
from drivetrain.compute.controller.world import Settings, World
from drivetrain.compute.engines.fake import FakeEngine
from drivetrain.compute.job import Job
from drivetrain.compute.policy.values import Cordon, Share
from drivetrain.core.errors import StoreError
from drivetrain.server.asking import Asking
from drivetrain.server.endings import Endings
from drivetrain.server.watching import Watching

NODE = NodeRecord(name="a", pool="p", gpu="cpu", num_gpus=1)
JOB = JobRecord(id="job-1", job=Job(command=("true",)), user="u", team="t", run="run-1", folder="/", num_attempts=1)
PLACED = AttemptRecord(id="job-1.0", job="job-1", number=0, shares=(Share("a", ((0, 1000),)),), pool="p")
LEAVING = AttemptRecord(
    id="job-1.0",
    job="job-1",
    number=0,
    shares=PLACED.shares,
    pool="p",
    state=AttemptState.LEAVING,
    why=Why.STOPPED,
    leave_by_s=100.0,
)


class Stubborn(FakeEngine):
    """An engine that tells nobody to leave, as Slurm one that waits, and kills nobody."""

    kills = 0

    def leave(self, attempt: str) -> None:
        raise StoreError(f"{attempt} has not begun")

    def kill(self, attempt: str) -> None:
        self.kills += 1
        raise StoreError(f"{attempt} has ended, or not")


@pytest.fixture
def asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asking:
    monkeypatch.setenv("DRIVETRAIN_HOME", str(tmp_path))
    return Asking(tmp_path, "http://127.0.0.1:1", b"key")


def test_one_that_cannot_be_told_to_leave_is_killed_soon_after_its_grace(asking: Asking) -> None:
    engine = Stubborn([NODE])
    for now_s, num_kills in ((99.0, 0), (104.9, 0), (105.0, 1), (106.0, 1), (108.0, 2)):
        with suppress(StoreError):
            asking.ask(engine, JOB, LEAVING, now_s)
        assert engine.kills == num_kills


def test_a_pool_is_there_though_something_in_it_cannot_be_ended(asking: Asking) -> None:
    engine = Stubborn([NODE])
    world = World([], [], [], Settings())
    asking.ask(engine, JOB, PLACED, 0.0)
    watching = Watching({"p": engine}, asking, Endings({"p": engine}), lambda _: None)
    for now_s in range(0, 60, 5):
        watching.look(world, float(now_s))
    assert engine.kills > 1
    assert world.nodes["a"].state == "up"


class Changing(FakeEngine):
    """An engine whose node is as it is set to be."""

    node = NODE

    def nodes(self) -> list[NodeRecord]:
        return [self.node]


@pytest.mark.parametrize("gone", ["draining", "down"])
def test_a_node_that_its_engine_takes_back_is_used_again(asking: Asking, gone: str) -> None:
    engine, world = Changing([]), World([], [], [], Settings())
    watching = Watching({"p": engine}, asking, Endings({"p": engine}), lambda _: None)
    for state in ("up", gone, "up"):
        engine.node = replace(NODE, state=state)
        watching.look(world, 0.0)
        assert world.nodes["a"].state == state


def test_a_node_that_was_taken_out_here_is_not_taken_back_by_its_engine(asking: Asking) -> None:
    engine, world = Changing([]), World([], [], [], Settings())
    watching = Watching({"p": engine}, asking, Endings({"p": engine}), lambda _: None)
    watching.look(world, 0.0)
    world.apply([Cordon("a", "failed thrice")], 0.0)
    watching.look(world, 0.0)
    assert (world.nodes["a"].state, world.nodes["a"].evidence) == ("cordoned", "failed thrice")


def test_what_agents_were_told_is_gone_when_their_attempt_is_over_though_a_server_was_killed_doing_that(
    asking: Asking, tmp_path: Path
) -> None:
    engine = Stubborn([NODE])
    watching = Watching({"p": engine}, asking, Endings({"p": engine}), lambda _: None)
    asking.ask(engine, JOB, PLACED, 0.0)
    (tmp_path / "agents.over" / "job-0.0").mkdir(parents=True)
    (tmp_path / "agents.over" / "job-0.0" / "0.claim").touch()
    watching.look(World([], [PLACED], [], Settings()), 0.0)
    assert (tmp_path / "agents" / PLACED.id / "assignment.json").is_file()
    engine.end(PLACED.id, 0)
    watching.look(World([], [], [], Settings()), 1.0)
    assert not list((tmp_path / "agents").iterdir())
    assert not (tmp_path / "agents.over").exists()


def test_a_folder_in_which_a_full_disk_left_no_assignment_goes(asking: Asking, tmp_path: Path) -> None:
    (tmp_path / "agents" / PLACED.id).mkdir(parents=True)
    (tmp_path / "agents" / PLACED.id / ".assignment.json.17").touch()
    watching = Watching({"p": FakeEngine([NODE])}, asking, Endings({}), lambda _: None)
    watching.look(World([JOB], [PLACED], [], Settings()), 0.0)
    assert (tmp_path / "agents" / PLACED.id).is_dir(), "its attempt is not over: it is written there again"
    watching.look(World([], [], [], Settings()), 0.0)
    assert not (tmp_path / "agents" / PLACED.id).exists()
