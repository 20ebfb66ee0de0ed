"""Tasks of an array: each has one result, though workers are slow, fail, or are gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection
from tests.server.known import job

from drivetrain.compute.controller.states import JobState
from drivetrain.server.database import Records, open_database
from drivetrain.server.services import arrays
from drivetrain.server.services.arrays import Result


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    engine = open_database(f"sqlite:///{tmp_path}/known.sqlite")
    with engine.begin() as made:
        Records(made).add_jobs([replace(job(1, JobState.RUNNING), id="a")])
        arrays.create(made, "a", range(3))
        yield made
    engine.dispose()


def pull(connection: Connection, worker: str, at_s: float, num_slots: int = 1) -> list[int]:
    return arrays.pull(connection, "a", worker, num_slots=num_slots, now_s=at_s)


def report(
    connection: Connection, worker: str, *results: Result, retries: int = 0, at_s: float = 0.0, num_slots: int = 1
) -> arrays.Standing:
    return arrays.report(connection, "a", worker, results, num_slots=num_slots, now_s=at_s, retries=retries)


def test_a_task_that_takes_much_longer_than_others_is_given_to_another_too_and_counts_once(
    connection: Connection,
) -> None:
    assert pull(connection, "slow", 0.0, num_slots=2) == [0, 1]
    assert pull(connection, "quick", 0.0) == [2]
    assert pull(connection, "quick", 1000.0) == []  # nobody knows yet how long a task takes
    report(connection, "quick", Result(2, 0, 10.0))
    assert pull(connection, "quick", 29.0) == []
    assert pull(connection, "quick", 31.0) == [0]
    assert pull(connection, "third", 62.0) == [1]
    assert pull(connection, "fourth", 99.0) == []  # two have each
    assert report(connection, "quick", Result(0, 0, 5.0)).num_succeeded == 2
    assert report(connection, "slow", Result(0, 1, 60.0), Result(1, 0, 60.0)).num_succeeded == 3


def test_a_task_that_fails_is_tried_again_as_often_as_it_may(connection: Connection) -> None:
    (task,) = pull(connection, "w", 0.0)
    assert report(connection, "w", Result(task, 1, 1.0), retries=1).num_failed == 0
    assert pull(connection, "w", 1.0) == [task]
    assert report(connection, "w", Result(task, 1, 1.0), retries=1).num_failed == 1


def test_what_a_worker_that_is_gone_had_is_given_out_again(connection: Connection) -> None:
    assert pull(connection, "gone", 0.0, num_slots=3) == [0, 1, 2]
    report(connection, "gone", Result(1, 0, 1.0))
    arrays.release(connection, "gone")
    assert arrays.num_again(connection, "a") == 0
    assert pull(connection, "w", 1.0, num_slots=3) == [0, 2]
    assert arrays.num_again(connection, "a") == 2
    assert arrays.standing(connection, "a") == arrays.Standing(3, 1, 0, 2)


def test_what_a_worker_has_is_counted_before_it_is_given_more(connection: Connection) -> None:
    assert pull(connection, "w", 0.0, num_slots=2) == [0, 1]
    report(connection, "w", Result(0, 0, 10.0), num_slots=2)
    assert pull(connection, "w", 1.0, num_slots=1) == []
    assert pull(connection, "w", 1.0, num_slots=2) == [2]


def test_a_task_that_waited_behind_others_is_not_slow_before_it_ran_for_long(connection: Connection) -> None:
    assert pull(connection, "w", 0.0, num_slots=3) == [0, 1, 2]
    report(connection, "w", Result(0, 0, 0.1), at_s=6.0)
    assert pull(connection, "idle", 6.5) == []  # 1 and 2 began after the second before the report, at the earliest
    report(connection, "w", Result(1, 0, 0.1), at_s=11.0)
    assert pull(connection, "idle", 11.5) == []
    assert pull(connection, "idle", 16.5) == [2]
    assert arrays.num_again(connection, "a") == 1
