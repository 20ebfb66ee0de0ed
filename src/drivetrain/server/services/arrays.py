"""Tasks of arrays: given out in small batches under a lease, results taken in bulk, each task's first result counts.

A task is given out when it never was, when it failed and may be tried again, when its worker is gone, and, once
nothing else is left, when it takes much longer than others did: then a second worker may be quicker. While a task waits
in its worker's batch behind others that end, that is no time that it takes: each report sets those that wait to now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, delete, func, insert, or_, select, update

from drivetrain.server.database import tables

MOST_AT_ONCE = 1000
MOST_NAMED = 1000
_BATCH_S = 2.0
_SLOW_TIMES, _LEAST_SLOW_S = 3.0, 5.0
_FEW = 500


@dataclass(frozen=True, slots=True)
class Result:
    """How a task ended on a worker."""

    task: int
    exit_code: int
    took_s: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an array is. Attributes: num_failed: for good; num_given_out: that workers have now."""

    num_tasks: int
    num_succeeded: int
    num_failed: int
    num_given_out: int

    @property
    def num_left(self) -> int:
        """Tasks that neither succeeded nor failed for good."""
        return self.num_tasks - self.num_succeeded - self.num_failed


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that failed for good.

    Attributes:
      worker: id of the job that it ran in.
      said: the last line that it printed; empty where that is not looked for, or was not kept.
    """

    task: int
    exit_code: int
    worker: str
    said: str = ""


def create(connection: Connection, job: str, tasks: range) -> None:
    """An array with all its tasks still to do."""
    row = {"job": job, "first": tasks.start, "next": tasks.start, "end": tasks.stop}
    zeros = dict.fromkeys(("num_succeeded", "num_failed", "took_s", "longest_s"), 0)
    connection.execute(insert(tables.arrays), row | zeros)


def pull(connection: Connection, job: str, worker: str, *, num_slots: int, now_s: float) -> list[int]:
    """Tasks for a worker, up to one a slot and what takes its slots about two seconds more, with what it has."""
    array = _locked(connection, job)
    if array is None:
        return []
    num_held = len(_held(connection, job, worker))
    want = _most_held(array, num_slots) - num_held
    if want <= 0:
        return []
    tasks = _again(connection, job, want)
    fresh = range(array.next, min(array.end, array.next + want - len(tasks)))
    if fresh:
        tasks += fresh
        connection.execute(update(tables.arrays).where(tables.arrays.c.job == job).values(next=fresh.stop))
    if not tasks and num_held < num_slots:
        tasks = _slow(connection, array, worker, num_slots - num_held, now_s)
    if tasks:
        rows = [{"job": job, "task": task, "worker": worker, "at_s": now_s} for task in tasks]
        connection.execute(insert(tables.task_leases), rows)
    return tasks


def report(
    connection: Connection,
    job: str,
    worker: str,
    results: Sequence[Result],
    *,
    num_slots: int,
    now_s: float,
    retries: int,
) -> Standing:
    """Take results; what is reported twice, or was done by another worker meanwhile, counts once."""
    array = _locked(connection, job)
    done = tables.task_results
    known = _among(connection, done, job, [result.task for result in results])
    held = _held(connection, job, worker)
    if results:
        _still_wait(connection, job, worker, held, num_slots, now_s)
    new = {result.task: result for result in results if result.task in held and result.task not in known}
    succeeded = [result for result in new.values() if not result.exit_code]
    failed = _failed_for_good(connection, job, [r for r in new.values() if r.exit_code], retries)
    rows: list[dict[str, Any]] = [
        {"job": job, "task": r.task, "exit_code": r.exit_code, "took_s": r.took_s, "worker": worker}
        for r in (*succeeded, *failed)
    ]
    if rows:
        connection.execute(insert(done), rows)
    _drop_leases(connection, job, [row["task"] for row in rows], None)
    _drop_leases(connection, job, [result.task for result in results], worker)
    if array is not None and rows:
        longest_s = max([array.longest_s, *(result.took_s for result in succeeded)])
        values = {
            "num_succeeded": array.num_succeeded + len(succeeded),
            "num_failed": array.num_failed + len(failed),
            "took_s": array.took_s + sum(result.took_s for result in succeeded),
            "longest_s": longest_s,
        }
        connection.execute(update(tables.arrays).where(tables.arrays.c.job == job).values(values))
    return standing(connection, job)


def release(connection: Connection, worker: str) -> None:
    """A worker is gone: what it had, and nobody else has, is given out again."""
    leases = tables.task_leases
    had = connection.execute(select(leases.c.job, leases.c.task).where(leases.c.worker == worker)).all()
    connection.execute(delete(leases).where(leases.c.worker == worker))
    by_job: dict[str, list[int]] = {}
    for job, task in had:
        by_job.setdefault(job, []).append(task)
    for job, listed in by_job.items():
        elsewhere = _among(connection, leases, job, listed) | _among(connection, tables.task_results, job, listed)
        _wait_again(connection, job, {task: 0 for task in listed if task not in elsewhere})


def standing(connection: Connection, job: str) -> Standing:
    """How far an array is."""
    table = tables.arrays
    array = connection.execute(select(table).where(table.c.job == job)).one_or_none()
    if array is None:
        return Standing(0, 0, 0, 0)
    leases = tables.task_leases
    count = connection.scalar(
        select(func.count(func.distinct(leases.c.task))).select_from(leases).where(leases.c.job == job)
    )
    return Standing(array.end - array.first, array.num_succeeded, array.num_failed, count or 0)


def standings(connection: Connection, jobs: Sequence[str]) -> dict[str, Standing]:
    """Likewise, of those of these jobs that are arrays."""
    table = tables.arrays
    found: dict[str, Standing] = {}
    for begin in range(0, len(jobs), _FEW):
        arrays = connection.scalars(select(table.c.job).where(table.c.job.in_(jobs[begin : begin + _FEW])))
        found |= {job: standing(connection, job) for job in arrays.all()}
    return found


def num_again(connection: Connection, job: str) -> int:
    """Tasks that were given out more than once: tried again, of a worker that is gone, or slow."""
    table = tables.task_tries
    was_given = or_(~table.c.waits, table.c.num_failures > 1)  # one that waits for its second time may never come to it
    return connection.scalar(select(func.count()).select_from(table).where(table.c.job == job, was_given)) or 0


def failed(connection: Connection, job: str) -> list[Failure]:
    """The first tasks that failed for good, by number: up to `MOST_NAMED`."""
    table = tables.task_results
    query = select(table.c.task, table.c.exit_code, table.c.worker).where(table.c.job == job, table.c.exit_code != 0)
    rows = connection.execute(query.order_by(table.c.task).limit(MOST_NAMED))
    return [Failure(row.task, row.exit_code, row.worker.rpartition(".")[0]) for row in rows]


def _locked(connection: Connection, job: str) -> Row[Any] | None:
    """The row of an array, ours until the transaction ends: those who pull from one array take turns."""
    query = select(tables.arrays).where(tables.arrays.c.job == job)
    if connection.dialect.name == "postgresql":
        query = query.with_for_update()
    return connection.execute(query).one_or_none()


def _most_held(array: Row[Any], num_slots: int) -> int:
    """How many tasks a worker may have at once; one a slot before it is known what they take."""
    if not array.num_succeeded:
        return num_slots
    mean_s = max(array.took_s / array.num_succeeded, 1e-3)
    return num_slots + min(MOST_AT_ONCE, int(num_slots * _BATCH_S / mean_s))


def _held(connection: Connection, job: str, worker: str) -> dict[int, float]:
    """Tasks that a worker has and since when, in the order in which it begins them."""
    table = tables.task_leases
    query = select(table.c.task, table.c.at_s).where(table.c.job == job, table.c.worker == worker)
    return {row.task: row.at_s for row in connection.execute(query.order_by(table.c.at_s, table.c.task))}


def _still_wait(
    connection: Connection, job: str, worker: str, held: Mapping[int, float], num_slots: int, now_s: float
) -> None:
    """What a worker had beyond its slots has not begun until now."""
    if len(held) <= num_slots:
        return
    last, at_s = list(held.items())[num_slots - 1]
    table = tables.task_leases
    is_behind = or_(table.c.at_s > at_s, and_(table.c.at_s == at_s, table.c.task > last))
    connection.execute(update(table).where(table.c.job == job, table.c.worker == worker, is_behind).values(at_s=now_s))


def _again(connection: Connection, job: str, want: int) -> list[int]:
    table = tables.task_tries
    query = select(table.c.task).where(table.c.job == job, table.c.waits).order_by(table.c.task).limit(want)
    tasks = list(connection.scalars(query))
    for part in _parts(tasks):
        connection.execute(update(table).where(table.c.job == job, table.c.task.in_(part)).values(waits=False))
    return tasks


def _slow(connection: Connection, array: Row[Any], worker: str, num: int, now_s: float) -> list[int]:
    """Tasks that one other worker has run for much longer than any took; none before it is known what they take."""
    if not array.num_succeeded:
        return []
    leases = tables.task_leases
    before_s = now_s - max(_LEAST_SLOW_S, _SLOW_TIMES * array.longest_s)
    query = (
        select(leases.c.task)
        .where(leases.c.job == array.job)
        .group_by(leases.c.task)
        .having(func.count() == 1, func.max(leases.c.at_s) < before_s, func.max(leases.c.worker) != worker)
        .order_by(func.max(leases.c.at_s))
        .limit(num)
    )
    tasks = list(connection.scalars(query))
    known = _among(connection, tables.task_tries, array.job, tasks)
    new = [{"job": array.job, "task": t, "num_failures": 0, "waits": False} for t in tasks if t not in known]
    if new:
        connection.execute(insert(tables.task_tries), new)
    return tasks


def _failed_for_good(connection: Connection, job: str, results: Sequence[Result], retries: int) -> list[Result]:
    table = tables.task_tries
    before: dict[int, int] = {}
    for part in _parts([result.task for result in results]):
        query = select(table.c.task, table.c.num_failures).where(table.c.job == job, table.c.task.in_(part))
        before |= {task: num for task, num in connection.execute(query)}  # noqa: C416 - rows are no tuples to mypy
    counts = {result.task: before.get(result.task, 0) + 1 for result in results}
    _wait_again(connection, job, {task: count for task, count in counts.items() if count <= retries})
    return [result for result in results if counts[result.task] > retries]


def _wait_again(connection: Connection, job: str, num_failures: Mapping[int, int]) -> None:
    """Have tasks given out again; a count of 0 leaves the one that is kept."""
    table = tables.task_tries
    known = _among(connection, table, job, list(num_failures))
    new = [{"job": job, "task": t, "num_failures": n, "waits": True} for t, n in num_failures.items() if t not in known]
    if new:
        connection.execute(insert(table), new)
    for task in known:
        values = {"waits": True} | ({"num_failures": num_failures[task]} if num_failures[task] else {})
        connection.execute(update(table).where(table.c.job == job, table.c.task == task).values(values))


def _among(connection: Connection, table: Table, job: str, tasks: Sequence[int]) -> set[int]:
    """Those of these tasks that the table has."""
    found: set[int] = set()
    for part in _parts(tasks):
        query = select(table.c.task).where(table.c.job == job, table.c.task.in_(part))
        found |= set(connection.scalars(query))
    return found


def _drop_leases(connection: Connection, job: str, tasks: Sequence[int], worker: str | None) -> None:
    leases = tables.task_leases
    for part in _parts(tasks):
        statement = delete(leases).where(leases.c.job == job, leases.c.task.in_(part))
        connection.execute(statement if worker is None else statement.where(leases.c.worker == worker))


def _parts(tasks: Sequence[int]) -> Iterator[Sequence[int]]:
    """Few enough at once for any database."""
    for begin in range(0, len(tasks), _FEW):
        yield tasks[begin : begin + _FEW]
