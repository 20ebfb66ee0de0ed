"""Tasks of an array that all take as long, on workers of which none fails: each is given out once."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine
from tests.server.known import job

from drivetrain.compute.controller.states import JobState
from drivetrain.server.database import Records, open_database
from drivetrain.server.services import arrays

_NAMES = itertools.count()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder: Path = tmp_path_factory.mktemp("arrays")
    engine = open_database(f"sqlite:///{folder}/known.sqlite")
    yield engine
    engine.dispose()


@dataclass(slots=True)
class Worker:
    """Slots that run what was given in order; it reports now and then. Times in seconds."""

    name: str
    free_s: list[float]
    runs: list[tuple[float, int]] = field(default_factory=list)
    """When a task that was given ends."""

    def take(self, tasks: list[int], now_s: float, takes_s: float) -> None:
        """Put tasks on the slots that are free first."""
        for task in tasks:
            end_s = max(heapq.heappop(self.free_s), now_s) + takes_s
            heapq.heappush(self.free_s, end_s)
            self.runs.append((end_s, task))

    def ended(self, now_s: float) -> list[int]:
        """Tasks that ended and were not reported."""
        found = [task for end_s, task in self.runs if end_s <= now_s]
        self.runs = [(end_s, task) for end_s, task in self.runs if end_s > now_s]
        return found


def played(
    connection: Connection, name: str, num_tasks: int, workers: list[Worker], said_s: float, seed: int
) -> list[int]:
    """All that is given out until every task has a result; a task takes half as long again as its worker says."""
    chance = random.Random(seed)
    Records(connection).add_jobs([replace(job(1, JobState.RUNNING), id=name, run=name)])
    arrays.create(connection, name, range(num_tasks))
    given_out: list[int] = []
    turns = [(chance.random(), number) for number in range(len(workers))]
    heapq.heapify(turns)
    num_left = num_tasks
    while num_left:
        now_s, number = heapq.heappop(turns)
        worker = workers[number]
        num_slots = len(worker.free_s)
        results = [arrays.Result(task, 0, said_s) for task in worker.ended(now_s)]
        if results or not worker.runs:
            standing = arrays.report(
                connection, name, worker.name, results, num_slots=num_slots, now_s=now_s, retries=0
            )
            tasks = arrays.pull(connection, name, worker.name, num_slots=num_slots, now_s=now_s)
            worker.take(tasks, now_s, 1.5 * said_s)
            given_out += tasks
            num_left = standing.num_left
        heapq.heappush(turns, (now_s + chance.uniform(0.1, 1.0), number))
    return given_out


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    num_tasks=st.integers(1, 400),
    slots=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    said_s=st.sampled_from([0.005, 0.02, 0.1, 0.4, 1.0, 2.0, 3.0, 10.0]),
    seed=st.integers(0, 2**31),
)
def test_without_faults_each_of_equal_tasks_is_given_out_once(
    engine: Engine, num_tasks: int, slots: list[int], said_s: float, seed: int
) -> None:
    workers = [Worker(f"w{number}", [0.0] * num) for number, num in enumerate(slots)]
    with engine.begin() as connection:
        given_out = played(connection, f"a{next(_NAMES)}", num_tasks, workers, said_s, seed)
    assert sorted(given_out) == list(range(num_tasks))
