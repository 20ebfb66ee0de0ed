"""Exactly-once transitions: a controller killed between any two of its actions loses and doubles nothing.

The real worker on a real database, a fake engine, a clock that is set. To be killed is an exception out of any call of
the database or the engine, before or after it did what was asked; what the worker held in memory is gone with it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.controller.states import AttemptRecord, AttemptState, JobState
from drivetrain.compute.engines.fake import FakeEngine
from drivetrain.compute.job import Job
from drivetrain.compute.policy.plan import plan
from drivetrain.compute.policy.values import MILLI, Pool
from drivetrain.compute.simulate.history import HEAD, read_history
from drivetrain.compute.simulate.replay import replay
from drivetrain.core.errors import StoreError
from drivetrain.server.asking import Asking
from drivetrain.server.database import Records, open_database, reading
from drivetrain.server.services import agents, history, jobs
from drivetrain.server.services.people import Person, Role
from drivetrain.server.steady import SteadyClock
from drivetrain.server.worker import Worker

NODES = tuple(NodeRecord(name=f"n{number}", pool="p", gpu="cpu", num_gpus=2, cpus=2) for number in range(3))
WHO = Person("u", Role.OPERATOR, ("t",))
STEPS_TO_THE_END = 100


class KilledError(BaseException):
    """As if by SIGKILL: nothing in between catches it."""


class Fuse:
    """Counts actions, and kills at the one that it is set to."""

    def __init__(self) -> None:
        self.left: int | None = None

    def burn(self, *_: object) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise KilledError


class Fragile:
    """An engine during each of whose calls the controller may be killed: before it did anything, and after."""

    def __init__(self, engine: FakeEngine, fuse: Fuse) -> None:
        self._engine, self._fuse = engine, fuse

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._engine, name)

        def call(*arguments: object) -> object:
            self._fuse.burn()
            answer = method(*arguments)
            self._fuse.burn()
            return answer

        return call


class Plane:
    """A database, an engine, and whichever controller works at the moment."""

    def __init__(self, folder: Path, template: Path) -> None:
        shutil.copy(template, folder / "database")
        self.folder, self.fuse, self.engine, self.now_s = folder, Fuse(), FakeEngine(NODES), 1e9
        self.database = open_database(f"sqlite:///{folder / 'database'}")
        for name in ("before_cursor_execute", "commit"):
            event.listen(self.database, name, self.fuse.burn)
        self.worker = self._new_worker()
        self.submitted: list[str] = []
        self.unharmed: set[str] = set()
        self.spoken: set[tuple[str, int]] = set()
        self.placed: set[str] = set()

    def _new_worker(self) -> Worker:
        asking = Asking(self.folder, "http://127.0.0.1:1", b"key")
        engines = {"p": Fragile(self.engine, self.fuse)}
        clock = SteadyClock(lambda: self.now_s, lambda: self.now_s)
        return Worker(self.database, engines, plan, asking, self.folder, clock=clock)  # type: ignore[arg-type]

    def turn(self, killed_after: int | None = None) -> bool:
        """The controller works once; whether it was killed."""
        self.fuse.left = killed_after
        was_killed = False
        try:
            self.worker.turn()
        except StoreError:
            self.worker.begin_anew()
        except KilledError:
            was_killed = True
            self.worker.stop()  # the kernel lets go of the lock; nothing else outlives it
            self.worker = self._new_worker()
        finally:
            self.fuse.left = None
        self.check()
        return was_killed

    def submit(self, nodes: int, cpus: int, priority: int, preemptible: bool) -> None:
        job = Job(command=("true",), nodes=nodes, cpus=cpus, priority=priority, preemptible=preemptible, grace="5s")
        with self.database.begin() as connection:
            found = jobs.submit(connection, WHO, job, snapshot="", folder="/", key="", now_s=self.now_s)
        self.submitted.append(found.id)
        self.unharmed.add(found.id)

    def stop(self, which: int) -> None:
        if self.submitted:
            job = self.submitted[which % len(self.submitted)]
            self.unharmed.discard(job)
            with self.database.begin() as connection:
                jobs.stop(connection, WHO, Records(connection).job(job))  # type: ignore[arg-type]

    def others(self, which: int, gpus: int, is_contested: bool) -> None:
        """Jobs that are not ours have so many devices of a node from now on, and others may wait for them."""
        machines, more = list(self.engine.machines), {"is_contested": is_contested}
        machines[which] = replace(machines[which], others_gpus=gpus, others_cpus=gpus, **more)
        self.engine.machines = tuple(machines)

    def agent(self, which: int, does: str) -> None:
        """An agent beats, ends well, ends badly, says its last word twice, or is gone without one."""
        living = sorted(key for key in self.engine.agents if key not in self.spoken)
        if not living:
            return
        attempt, member = living[which % len(living)]
        if does == "lost":
            self.engine.end(attempt, member)
            return
        with self.database.begin() as connection:
            record = Records(connection).attempt(attempt)
            assert record is not None
            assert record.nodes[member] == self.engine.agents[attempt, member], "it runs where it was placed"
            if record.state is AttemptState.ENDED:
                self.engine.end(attempt, member)  # it is told that it is over
            elif does == "beat":
                agents.alive(connection, record, 1, 1, begun_s=self.now_s - 0.5)
            else:
                code = 1 if does == "fails" else 143 if record.state is AttemptState.LEAVING else 0
                for _ in range(2 if does == "ends twice" else 1):
                    before_s = self.now_s - 0.5
                    how_far = {"step": 2, "saved_step": 2, "stepped_s": before_s}
                    times = {"begun_s": before_s, "over_s": self.now_s}
                    agents.exited(connection, record, member, code, "", **times, how_far=how_far)
                self.spoken.add((attempt, member))
                if does == "fails":
                    self.unharmed.discard(record.job)
        if (attempt, member) in self.spoken and does != "ends and stays":
            self.engine.end(attempt, member)

    def check(self) -> None:
        with reading(self.database) as connection:
            living = {attempt.id: attempt for attempt in Records(connection).living_attempts()}
            nodes = Records(connection).settings("node", NodeRecord)
            known = {attempt for attempt, _ in self.engine.started}
            assert all(Records(connection).attempt(attempt) for attempt in known), "written first, then asked for"
            assert Records(connection).count_jobs([state.value for state in JobState]) == len(self.submitted)
        _no_device_is_given_twice(living)
        self._none_is_placed_where_others_are(living, nodes)
        working = {attempt for attempt, member in self.engine.agents if (attempt, member) not in self.spoken}
        assert max(Counter(attempt.rpartition(".")[0] for attempt in working).values(), default=0) <= 1
        assert len(set(self.engine.started)) == len(self.engine.started)

    def _none_is_placed_where_others_are(self, living: dict[str, AttemptRecord], nodes: Sequence[NodeRecord]) -> None:
        held = Counter({node.name: MILLI * node.others_gpus for node in nodes if not node.is_contested})
        for attempt in living.values():
            held.update({share.node: sum(milli for _, milli in share.milli) for share in attempt.shares})
        new = {share.node for name in {*living} - self.placed for share in living[name].shares}
        assert all(held[node] <= 2 * MILLI for node in new)
        self.placed |= {*living}

    def to_the_end(self) -> None:
        self.engine.is_away, self.engine.machines = False, NODES
        for _ in range(STEPS_TO_THE_END):
            self.now_s += 3.0
            self.turn()
            for which in range(len(self.engine.agents)):
                self.agent(which, "beat")
            while set(self.engine.agents) - self.spoken:
                self.agent(0, "ends")
            for key in self.spoken & set(self.engine.agents):
                self.engine.end(*key)
            with reading(self.database) as connection:
                found = Records(connection).jobs(limit=1000)
            if all(job.state.is_final for job in found):
                break
        self.turn()
        with reading(self.database) as connection:
            assert not Records(connection).messages()
        assert {job.id for job in found} == set(self.submitted)
        assert all(job.state.is_final for job in found), [(job.id, job.state, job.reason) for job in found]
        assert {job.id for job in found if job.state is JobState.SUCCEEDED} >= self.unharmed
        assert not self.engine.agents
        self.decides_as_it_did()

    def decides_as_it_did(self) -> None:
        """Whatever was killed in between, what is written down leads the policy to the decisions that it made."""
        with reading(self.database) as connection:
            lines = history.lines(connection, after=0, limit=5000)
        path = self.folder / "history.jsonl"
        path.write_bytes(b"".join([HEAD.encode(), b"\n", *lines]))
        assert replay(read_history(path)).differences == ()


def _no_device_is_given_twice(living: dict[str, AttemptRecord]) -> None:
    given: Counter[tuple[str, int]] = Counter()
    for attempt in living.values():
        for share in attempt.shares:
            for device, milli in share.milli:
                given[share.node, device] += milli
    assert max(given.values(), default=0) <= MILLI
    assert max(Counter(attempt.job for attempt in living.values()).values(), default=0) <= 1


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("law") / "database"
    engine = open_database(f"sqlite:///{path}")
    with engine.begin() as connection:
        Records(connection).set_setting("pool", "p", Pool("p"))
    engine.dispose()
    return path


@contextmanager
def plane(template: Path) -> Iterator[Plane]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        patch.setenv("DRIVETRAIN_HOME", folder)
        made = Plane(Path(folder), template)
        try:
            yield made
        finally:
            made.worker.stop()
            made.database.dispose()


SUBMIT = st.tuples(
    st.just("submit"), st.integers(1, 3), st.integers(1, 2), st.sampled_from([50, 100, 300]), st.booleans()
)
DOES = st.sampled_from(["beat", "ends", "ends twice", "ends and stays", "fails", "lost"])
KILLED_TURN = st.tuples(st.just("turn"), st.integers(0, 60))
STEP = st.one_of(
    SUBMIT,
    KILLED_TURN,
    KILLED_TURN,
    st.tuples(st.just("turn"), st.none()),
    st.tuples(st.just("agent"), st.integers(0, 5), DOES),
    st.tuples(st.just("stop"), st.integers(0, 5)),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 3.0, 30.0, -3600.0])),
    st.tuples(st.just("away"), st.booleans()),
    st.tuples(st.just("others"), st.integers(0, 2), st.integers(0, 2), st.booleans()),
)


@settings(max_examples=25)
@given(steps=st.lists(STEP, min_size=5, max_size=30))
def test_whenever_controllers_are_killed_no_job_is_lost_or_started_twice_and_no_device_given_twice(
    template: Path, steps: list[tuple[Any, ...]]
) -> None:
    with plane(template) as made:
        for kind, *arguments in steps:
            if kind == "wait":
                made.now_s += arguments[0]
            elif kind == "away":
                made.engine.is_away = arguments[0]
            else:
                getattr(made, kind)(*arguments)
        made.to_the_end()


@pytest.mark.slow
def test_killed_at_each_of_its_actions_in_turn_a_controller_places_a_job_once(template: Path) -> None:
    was_killed, at = True, 0
    while was_killed:
        with plane(template) as made:
            made.submit(2, 1, 100, False)
            was_killed = made.turn(killed_after=at)
            at += 1
            for _ in range(3):
                made.now_s += 2.0
                made.turn()
            assert len(made.engine.started) == 2
    assert at > 20
