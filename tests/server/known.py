"""Databases that know a fleet, jobs that ended and jobs that wait, without a server."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.controller.states import AttemptRecord, AttemptState, JobRecord, JobState
from drivetrain.compute.job import Job
from drivetrain.compute.policy.values import MILLI, Pool, Share
from drivetrain.server.database import Records, open_database

NOW_S = 1_795_700_000.0
NODES = tuple(NodeRecord(name=f"n{at}", pool="p", gpu="H100", num_gpus=8, cpus=96) for at in range(2))


def job(
    number: int, state: JobState = JobState.WAITING, *, ran_s: float = 0.0, nodes: int = 1, **more: Any
) -> JobRecord:
    """Of one user, with whole nodes, that came when its number says."""
    asked = Job(command=("true",), gpus=8, nodes=nodes, **more)
    at_s = NOW_S - 100_000 + number
    record = JobRecord(id=f"job-{number:06d}", job=asked, user="ana", team="maps", run="run", submitted_s=at_s)
    ended_s = at_s + ran_s if state.is_final else None
    return replace(record, state=state, ran_s=ran_s, ended_s=ended_s, num_attempts=int(state is not JobState.WAITING))


def runs(record: JobRecord, *nodes: str, since_s: float) -> AttemptRecord:
    """Its attempt, on all of these nodes."""
    shares = tuple(Share(name, tuple((device, MILLI) for device in range(8)), cpus=8) for name in nodes)
    began_s = NOW_S - since_s
    return AttemptRecord(
        id=f"{record.id}.0",
        job=record.id,
        number=0,
        shares=shares,
        pool="p",
        state=AttemptState.RUNNING,
        placed_s=began_s,
        started_s=began_s,
    )


def known(folder: Path, jobs: Iterable[JobRecord], attempts: Iterable[AttemptRecord] = ()) -> Engine:
    """A database with two nodes of 8, and these."""
    database = open_database(f"sqlite:///{folder}/known.sqlite")
    with database.begin() as connection:
        records = Records(connection)
        records.set_setting("pool", "p", Pool("p"))
        for node in NODES:
            records.set_setting("node", node.name, node)
        records.add_jobs(list(jobs))
        records.add_attempts(attempts)
    return database
