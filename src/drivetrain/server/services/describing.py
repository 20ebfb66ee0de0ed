"""All that there is to tell of jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine

from drivetrain.compute.controller.states import JobRecord
from drivetrain.core.errors import UsageError
from drivetrain.server.database import Records, reading
from drivetrain.server.services import arrays, jobs, logs
from drivetrain.server.services.restarts import restarts

_MOST_LOOKED_AT = 10
"""Of tasks that failed: what they printed last."""


def described(database: Engine, names: Sequence[str]) -> dict[str, bytes | Exception]:
    """Each of these jobs with its attempts and events, as JSON (`http.answers.Described`); UsageError where none is.

    What is wrong with one of them, such as with its files, is its alone.
    """
    kept: dict[str, dict[str, Any]] = {}
    found: dict[str, bytes | Exception] = {}
    with reading(database) as connection:
        for name in names:
            try:
                kept[name] = _kept(connection, jobs.find(connection, name))
            except (UsageError, msgspec.DecodeError) as exc:
                found[name] = exc
    for name, told in kept.items():
        try:
            found[name] = msgspec.json.encode(_with_files(told))
        except Exception as exc:  # noqa: BLE001 - whoever asked is told
            found[name] = exc
    return found


def _kept(connection: Connection, job: JobRecord) -> dict[str, Any]:
    """What the database knows."""
    records = Records(connection)
    attempts = records.attempts_of(job.id)
    events = records.events(subjects=[job.id, *(each.id for each in attempts)])
    told: dict[str, Any] = msgspec.to_builtins(job) | {
        "attempts": attempts,
        "events": [
            {"at_ns": at_ns, "kind": kind, "subject": subject, "data": data} for _, at_ns, kind, subject, data in events
        ],
        "tasks": None,
        "failed_tasks": [],
        "num_tasks_again": 0,
        "deadline_s": None if job.job.deadline_s is None else job.submitted_s + job.job.deadline_s,
    }
    return told | _of_array(connection, job) if job.job.array else told


def _of_array(connection: Connection, job: JobRecord) -> dict[str, Any]:
    failed = arrays.failed(connection, job.id)
    runs = {worker.id: worker.run for worker in Records(connection).family([job.id])} if failed else {}
    return {
        "tasks": arrays.standing(connection, job.id),
        "failed_tasks": failed,
        "num_tasks_again": arrays.num_again(connection, job.id),
        "runs": runs,
    }


def _with_files(told: dict[str, Any]) -> dict[str, Any]:
    """With what is not in the database: what tasks that failed printed last, and restarts in place."""
    runs = told.pop("runs", {})
    failed = list(told["failed_tasks"])
    for number, failure in enumerate(failed[:_MOST_LOOKED_AT]):
        if run := runs.get(failure.worker):
            failed[number] = replace(failure, said=logs.last_line(run, failure.task))
    found = restarts(told["run"], told["attempts"]) if told["attempts"] else []
    return told | {"failed_tasks": failed, "restarts": found}
