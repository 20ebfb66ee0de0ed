"""The controller at work on a real clock: many short workloads, each transition durable before it is acted on.

The shape is that of Kueue's baseline performance test: 5 cohorts of 6 queues, 500 workloads each (small: 350, one every
0.1 s, 1 unit for 0.2 s, priority 50; medium: 100, every 0.5 s, 5 units, 0.5 s, 100; large: 50, every 1.2 s, 20 units,
1 s, 200), 20 units a queue, 120 a cohort. It is not the same test: Kueue publishes 351 s and 55.9 % of its quota in use
on a real cluster's API server with its pods faked; here a database takes the API server's place, and an engine that
only waits the pods'. The work is 64 s of the whole quota, so that 66 s is about the least there can be.
"""

from __future__ import annotations

import heapq
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

NUM_SAMPLES = 1
NUM_CORES = 0
LIMIT_S = 600
NUM_COHORTS, NUM_QUEUES = 5, 6
CLASSES = (("small", 350, 0.1, 1, 0.2, 50), ("medium", 100, 0.5, 5, 0.5, 100), ("large", 50, 1.2, 20, 1.0, 200))
UNITS_A_QUEUE = 20
NUM_TASKS = 100_000


def bench_workloads(scale=(1.0,)) -> dict[str, float]:
    """15,000 workloads; `scale` takes a part of each class."""
    from drivetrain.compute.policy.plan import plan
    from drivetrain.server.asking import Asking
    from drivetrain.server.database import Records, open_database
    from drivetrain.server.serve import spare_collector
    from drivetrain.server.worker import Worker

    folder = Path("throughput").absolute()
    folder.mkdir(exist_ok=True)
    os.environ["DRIVETRAIN_HOME"] = str(folder)
    database = open_database(f"sqlite:///{folder}/{time.monotonic_ns()}.sqlite")
    arrivals = _arrivals(scale)
    durations = {job.id: took_s for _, job, took_s in arrivals}
    engine = Waiting(NUM_COHORTS, NUM_QUEUES * UNITS_A_QUEUE, durations)
    with database.begin() as connection:
        _set_up(Records(connection))
    asking = Asking(folder, "http://127.0.0.1:1", b"key", hand_over=lambda *_: None)
    worker = Worker(database, {"units": engine}, plan, asking, folder)
    spare_collector()
    begun_s = time.monotonic()
    units = {job.id: job.job.gpus for _, job, _ in arrivals}
    num_ended, next_up, used = 0, 0, 0.0
    while num_ended < len(durations):
        now_s = time.monotonic() - begun_s
        due = []
        while next_up < len(arrivals) and arrivals[next_up][0] <= now_s:
            due.append(arrivals[next_up])
            next_up += 1
        ended = engine.ended()
        if due or ended:
            with database.begin() as connection:
                _tell(Records(connection), due, ended)
        num_ended += len(ended)
        used += sum(units[attempt.rpartition(".")[0]] * durations[attempt.rpartition(".")[0]] for attempt in ended)
        worker.turn()
    total_s = time.monotonic() - begun_s
    worker.stop()
    database.dispose()
    capacity = NUM_COHORTS * NUM_QUEUES * UNITS_A_QUEUE
    return {"total_s": total_s, "quota_use_pct": 100 * used / (capacity * total_s)}


def bench_array() -> dict[str, float]:
    """100,000 tasks, from the request to the moment it is durable."""
    from drivetrain.compute.job import Job
    from drivetrain.server.database import open_database
    from drivetrain.server.services import jobs
    from drivetrain.server.services.people import Person, Role

    folder = Path("array").absolute()
    os.environ["DRIVETRAIN_HOME"] = str(folder)
    database = open_database(f"sqlite:///{folder}/{time.monotonic_ns()}.sqlite")
    job = Job(command=("true",), array=f"0-{NUM_TASKS - 1}")
    begun_s = time.perf_counter()
    with database.begin() as connection:
        who = Person("someone", Role.MEMBER, ())
        jobs.submit(connection, who, job, snapshot="", folder="/", key="", now_s=time.time())
    took_s = time.perf_counter() - begun_s
    database.dispose()
    return {"accepted_s": took_s}


class Waiting:
    """An engine whose attempts do nothing but take their time."""

    def __init__(self, num_nodes: int, num_units: int, durations_s: Mapping[str, float]) -> None:
        from drivetrain.compute.controller.nodes import NodeRecord

        self._nodes = [
            NodeRecord(name=f"node-{number}", pool="units", gpu="unit", num_gpus=num_units, cpus=1e6)
            for number in range(num_nodes)
        ]
        self._ends: list[tuple[float, str]] = []
        self._members: dict[str, int] = {}
        self._durations_s = durations_s

    def nodes(self) -> Sequence[object]:
        return self._nodes

    def start(self, request) -> None:
        if request.attempt not in self._members:
            self._members[request.attempt] = len(request.shares)
            ends_s = time.monotonic() + self._durations_s[request.attempt.rpartition(".")[0]]
            heapq.heappush(self._ends, (ends_s, request.attempt))

    def living(self) -> Mapping[str, frozenset[int]]:
        return {attempt: frozenset(range(count)) for attempt, count in self._members.items()}

    def known_as(self, _attempt: str) -> str:
        return ""

    def ending(self, _attempt: str) -> None:
        return None

    def leave(self, attempt: str) -> None:
        raise NotImplementedError(attempt)

    def kill(self, attempt: str) -> None:
        raise NotImplementedError(attempt)

    def ended(self) -> list[str]:
        """Attempts that have come to their end."""
        found, now_s = [], time.monotonic()
        while self._ends and self._ends[0][0] <= now_s:
            found.append(heapq.heappop(self._ends)[1])
        for attempt in found:
            del self._members[attempt]
        return found


def _set_up(records) -> None:
    from drivetrain.compute.policy.values import Pool, Quota

    records.set_setting("pool", "units", Pool("units"))
    for cohort in range(NUM_COHORTS):
        for queue in range(NUM_QUEUES):
            quota = Quota(f"team-{cohort}-{queue}", f"cohort-{cohort}", "", UNITS_A_QUEUE * 1000)
            records.set_setting("quota", quota.team, quota)


def _arrivals(scale: float) -> list[tuple[float, object, float]]:
    from drivetrain.compute.controller.states import JobRecord
    from drivetrain.compute.job import Job

    found = []
    for cohort in range(NUM_COHORTS):
        for queue in range(NUM_QUEUES):
            team = f"team-{cohort}-{queue}"
            for name, count, every_s, units, took_s, priority in CLASSES:
                job = Job(command=("true",), name=name, gpus=units, gpu="unit", priority=priority, preemptible=False)
                for number in range(int(count * scale)):
                    at_s = every_s * number
                    record = JobRecord(
                        id=f"job-{team}-{name}-{number}", job=job, user="u", team=team, run="run", submitted_s=at_s
                    )
                    found.append((at_s, record.id, record, took_s))
    found.sort(key=lambda arrival: arrival[:2])
    return [(at_s, record, took_s) for at_s, _, record, took_s in found]


def _tell(records, due, ended) -> None:
    """What HTTP would write, all that came since the last time at once."""
    from sqlalchemy import insert

    from drivetrain.server.database import tables

    records.add_jobs([record for _, record, _ in due])
    exits = '{"member":0,"exit_code":0}'
    rows = [{"kind": "submit", "subject": record.id, "data": "null"} for _, record, _ in due]
    rows += [{"kind": "exit", "subject": attempt, "data": exits} for attempt in ended]
    records.connection.execute(insert(tables.inbox), rows)
