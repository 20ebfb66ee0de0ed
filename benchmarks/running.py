"""Runs that train at this moment, as their journals say, and a fleet that has given them its nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Engine

from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.controller.states import AttemptRecord, JobRecord
from drivetrain.compute.job import Job
from drivetrain.compute.policy.values import MILLI, Pool, Share
from drivetrain.core.clock import Anchor, host_id
from drivetrain.core.units import NS_PER_S
from drivetrain.ledger.journal import Header
from drivetrain.server.database import Records, open_database

STEP_NS = 400_000_000
_WAIT_NS = 20_000_000
_LEASE_NS = 3600 * NS_PER_S
"""Nobody beats here while it is measured."""


def write_journals(folder: Path, run: str, num_ranks: int, num_steps: int) -> None:
    """Of a launcher and its ranks, a step each 0.4 s up to now, in the lines that `Recorder` writes."""
    folder.mkdir(parents=True)
    anchor, host = Anchor.now(), host_id()
    began_ns = anchor.mono_ns - num_steps * STEP_NS

    def write(name: str, rank: int | None, lines: list[bytes]) -> None:
        header = Header(run, 0, rank, host, 1, _LEASE_NS, anchor.mono_ns, anchor.wall_ns)
        (folder / name).write_bytes(msgspec.json.encode(header) + b"\n" + b"\n".join(lines) + b"\n")

    ranks = range(num_ranks)
    given = [b'{"k":"alloc","t":%d,"rank":%d,"devices":1}' % (began_ns, rank) for rank in ranks]
    given += [b'{"k":"start","t":%d,"rank":%d}' % (began_ns, rank) for rank in ranks]
    beats = [b'{"k":"beat","t":%d}' % at_ns for at_ns in range(began_ns, anchor.mono_ns, 5 * NS_PER_S)]
    write("launcher.jsonl", None, given + beats)
    for rank in ranks:
        lines = [b'{"k":"begin","t":%d,"phase":"data_wait"}' % began_ns]
        for step in range(num_steps):
            at_ns = began_ns + step * STEP_NS + 1000 * rank
            lines.append(b'{"k":"step_begin","t":%d,"step":%d,"end":"data_wait"}' % (at_ns + _WAIT_NS, step))
            lines.append(b'{"k":"step_end","t":%d,"step":%d,"count":1,"then":"data_wait"}' % (at_ns + STEP_NS, step))
        write(f"rank{rank}.jsonl", rank, lines)


def open_fleet(path: Path, num_jobs: int, num_gpus: int, at_ns: int) -> Engine:
    """A database in which each job, of run `run-0` and so on, has had a node of its own since a moment."""
    database = open_database(f"sqlite:///{path}")
    job, jobs = Job(command=("true",), gpus=num_gpus), range(num_jobs)
    events: list[tuple[int, str, str, Any]] = []
    for number in jobs:
        node = NodeRecord(name=f"n{number}", pool="p", num_gpus=num_gpus, cpus=96)
        events.append((at_ns, "node", node.name, node))
    for number in jobs:
        share = Share(f"n{number}", tuple((device, MILLI) for device in range(num_gpus)))
        attempt = AttemptRecord(
            id=f"job-{number}.0", job=f"job-{number}", number=0, shares=(share,), placed_s=at_ns / NS_PER_S
        )
        events.append((at_ns, "attempt placed", attempt.id, msgspec.to_builtins(attempt)))
    with database.begin() as connection:
        records = Records(connection)
        records.set_setting("pool", "p", Pool("p", price_per_gpu_h=2_000_000))
        records.add_jobs([JobRecord(id=f"job-{n}", job=job, user="ana", team="maps", run=f"run-{n}") for n in jobs])
        records.add_events(events)
    return database
