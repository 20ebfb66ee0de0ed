"""Submit, list and stop jobs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath

from sqlalchemy import Connection

from drivetrain.compute.controller.states import JobRecord
from drivetrain.compute.job import Job, is_text
from drivetrain.compute.snapshot import CodeShelf, decode_manifest
from drivetrain.compute.snapshot.manifest import check_lock, stays_inside
from drivetrain.core import ids
from drivetrain.core.errors import StoreError, UsageError
from drivetrain.server.client import NoCodeError
from drivetrain.server.database import Records
from drivetrain.server.services import arrays, snapshots
from drivetrain.server.services.people import Person, audit

_LEAST_BEGIN, _LONGEST_NAME = 4, 100
_NUM_WORKERS = 16


def submit(
    connection: Connection, who: Person, job: Job, *, snapshot: str, folder: str, key: str, now_s: float
) -> JobRecord:
    """Take a job; durable when the transaction is.

    Args:
      snapshot: its code; empty to run in a folder of this machine as it is.
      folder: where in it, or on this machine.
      key: made by who asks; asked again with the same one, this gives the job that it made before.
    Raises: UsageError: its snapshot has not been sent, or it names a team that is not theirs.
      sqlalchemy.exc.IntegrityError: the same request is being taken at this moment.
    """
    records = Records(connection)
    if not is_text(folder):
        raise UsageError(f"the folder {folder[:60]!r} is no path")
    own_key = hashlib.sha256(f"{who.name}\0{key}".encode()).hexdigest() if key else None
    if own_key and (before := records.job_of_key(own_key)) is not None:
        return before
    team = job.team or (who.teams[0] if who.teams else who.name)
    if not is_theirs(who, job):
        raise UsageError(f"{who.name} is not in team {job.team}", hint=f"one of {', '.join(who.teams) or 'none'}")
    if snapshot:
        _check_snapshot(connection, snapshot, folder)
    elif not folder.startswith("/"):
        raise UsageError(f"the folder {folder[:60]!r} is none of the nodes: without code, expected a whole path")
    record = JobRecord(
        id=ids.new_id("job"),
        job=job,
        user=who.name,
        team=team,
        run=ids.new_id("run"),
        snapshot=snapshot,
        folder=folder,
        submitted_s=now_s,
    )
    records.add_job(record, key=own_key)
    if job.array:
        arrays.create(connection, record.id, job.tasks)
        records.add_jobs(workers_of(record, lambda: ids.new_id("run")))
    records.tell("submit", record.id, None)
    audit(connection, who.name, "submit", record.id, was_allowed=True, now_s=now_s)
    return record


def is_theirs(who: Person, job: Job) -> bool:
    """Whether the team that a job names is one of theirs."""
    return not job.team or job.team in who.teams or who.role == "operator"


def check_files(shelf: CodeShelf, job: Job, *, snapshot: str, folder: str) -> None:
    """Look whether its code has the file that it names; not inside a transaction, since code may have many.

    Raises: UsageError: it has not.
    """
    if not job.lock or not snapshot:
        return
    try:
        data = shelf.manifest(snapshot)
    except StoreError:  # it has not been sent, which is said as the job is taken
        return
    check_lock(decode_manifest(data), folder, job.lock)


def workers_of(record: JobRecord, new_run: Callable[[], str]) -> list[JobRecord]:
    """Jobs of one node each that take an array's tasks, as many as it may have; any of them may be preempted."""
    job = record.job
    most = min(job.nodes_range[1] if job.nodes != 1 else _NUM_WORKERS, len(job.tasks))
    asked = replace(job, array="", nodes=1, preemptible=True)
    return [
        replace(record, id=f"{record.id}-{number}", job=asked, run=new_run(), parent=record.id)
        for number in range(most)
    ]


def find(connection: Connection, name: str) -> JobRecord:
    """By id or the beginning of one, or `latest`. Raises: UsageError: none, or several."""
    records = Records(connection)
    if len(name) > _LONGEST_NAME or not is_text(name):  # a database may refuse to look for it, whoever asks with it
        found = []
    elif name == "latest":
        found = [newest] if (newest := records.newest_job()) is not None else []
    elif (exact := records.job(name)) is not None:
        return exact
    elif len(name) < _LEAST_BEGIN:
        found = []
    else:
        found = records.jobs(begin=name, limit=2)
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"several jobs begin with {name}", hint="more letters, please")
    raise UsageError(f"there is no job {name[:_LONGEST_NAME]}", hint="drivetrain jobs lists them")


def stop(connection: Connection, who: Person, job: JobRecord) -> None:
    """Have it save and leave."""
    Records(connection).tell("stop", job.id, {"reason": f"stopped by {who.name}"})


def _check_snapshot(connection: Connection, snapshot: str, folder: str) -> None:
    if not snapshots.has(connection, snapshot):
        raise NoCodeError(f"the code {snapshot[:20]}... has not been sent")
    if folder and not stays_inside(str(PurePosixPath(folder))):
        raise UsageError(f"the folder {folder!r} leads out of the code")
