"""A worker of an array, without a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivetrain.compute.agent.tasks import Result, TaskWorker
from drivetrain.core.errors import StoreError
from drivetrain.launch import LaunchSpec
from drivetrain.store import create_run


class Array:
    """Gives out each task once. Attributes: results: what was said of them."""

    def __init__(self, num_tasks: int) -> None:
        self._left = list(range(num_tasks))
        self._num_tasks = num_tasks
        self.results: list[Result] = []

    def exchange(self, results: list[Result]) -> tuple[list[int], int]:
        self.results += results
        given, self._left = self._left[:1], self._left[1:]
        return given, self._num_tasks - len(self.results)


def test_a_worker_runs_tasks_until_none_is_left(own_home: Path) -> None:
    array = Array(3)
    spec = LaunchSpec(command=("sh", "-c", "echo task $DRIVETRAIN_TASK; exit $DRIVETRAIN_TASK"), num_ranks=1)
    assert TaskWorker(spec, create_run(["sh"], 1), array.exchange).work() == 0
    assert [(task, exit_code) for task, exit_code, _ in array.results] == [(0, 0), (1, 1), (2, 2)]


def test_a_worker_that_cannot_write_what_its_tasks_print_ends_and_says_so(own_home: Path) -> None:
    run = create_run(["true"], 2)
    run.logs.mkdir(parents=True, exist_ok=True)
    run.rank_log(0, 1).symlink_to("/dev/full")
    worker = TaskWorker(LaunchSpec(command=("true",), num_ranks=2), run, Array(100).exchange)
    with pytest.raises(StoreError, match=r"cannot write what tasks print: .*No space left on device"):
        worker.work()
