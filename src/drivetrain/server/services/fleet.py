"""Where the capacity went: the controller's history and each run's own account, as the ledger's fleet events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection

from drivetrain import ledger
from drivetrain.compute.controller.changes import Settings
from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.controller.states import AttemptRecord
from drivetrain.compute.policy.values import Pool
from drivetrain.core.errors import LedgerError, StoreError
from drivetrain.core.units import NS_PER_S
from drivetrain.ledger.fleet import (
    Alloc,
    Fleet,
    FleetEvent,
    Free,
    Leave,
    NodeEvent,
    PriceEvent,
    Told,
    Wait,
    fleet_of,
    told_of,
)
from drivetrain.server.database import Records
from drivetrain.store import run_folder

_AT_ONCE = 5000
_OVER = ("job succeeded", "job failed", "job stopped")
_SETTLED_NS = 600 * NS_PER_S
_MOST_REMEMBERED = 50_000
_STATES = {"up": "up", "draining": "draining", "cordoned": "cordoned", "down": "down"}


@dataclass(slots=True)
class FleetMemory:
    """Of jobs that are over, what cannot change any more: read once. Attributes: jobs: (user, team, run) by id."""

    jobs: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    told: dict[str, list[Told]] = field(default_factory=dict)

    def forget(self) -> None:
        """So that it does not grow for ever; it is only quicker with it."""
        for kept in (self.jobs, self.told):
            if len(kept) > _MOST_REMEMBERED:
                kept.clear()


def read_fleet(connection: Connection, now_s: float, memory: FleetMemory | None = None) -> Fleet:
    """The fleet up to now, with what each attempt did. Args: memory: of earlier calls."""
    records, memory = Records(connection), memory or FleetMemory()
    memory.forget()
    at_ns = max(int(now_s * NS_PER_S), records.newest_event_ns())  # another server's clock may be ahead
    prices = [PriceEvent(0, pool.name, pool.price_per_gpu_h) for pool in records.settings("pool", Pool)]
    events: list[FleetEvent] = [*prices]
    told: list[Told] = []
    ended: list[AttemptRecord] = []
    over_ns: dict[str, int] = {}
    for happened_ns, kind, subject, data in _history(records):
        events += _event(happened_ns, kind, subject, data, lambda job: _job(records, job, memory)[:2])
        if kind == "attempt ended":
            ended.append(msgspec.convert(data, AttemptRecord, str_keys=True))
        elif kind in _OVER:
            over_ns[subject] = happened_ns
    for attempt in ended:  # after another attempt, more of its work may count as done again
        is_settled = at_ns - over_ns.get(attempt.job, at_ns) > _SETTLED_NS
        known = memory.told.get(attempt.id)
        found = _told(records, attempt, memory, at_ns) if known is None else known
        if is_settled:
            memory.told[attempt.id] = found
        told += found
    for attempt in records.living_attempts():
        told += _told(records, attempt, memory, at_ns)
    return fleet_of((*events, *told), at_ns)


def _history(records: Records) -> Iterator[tuple[int, str, str, Any]]:
    after = 0
    while rows := records.events(after=after, limit=_AT_ONCE):
        for number, at_ns, kind, subject, data in rows:
            yield at_ns, kind, subject, data
            after = number


def _event(at_ns: int, kind: str, subject: str, data: Any, owner: Callable[[str], tuple[str, str]]) -> list[FleetEvent]:
    if kind == "controller begins":  # which it does whenever settings change
        pools = msgspec.convert(data, Settings).pools
        return [PriceEvent(at_ns, pool.name, pool.price_per_gpu_h) for pool in pools]
    if kind == "node":
        node = msgspec.convert(data, NodeRecord)
        state = _STATES[node.state]
        return [NodeEvent(at_ns, node.name, node.pool, state, node.num_gpus, node.gpu)]  # type: ignore[arg-type]
    if kind == "job waiting" and not data["is_array"]:
        wanted = {name: data[name] for name in ("user", "team", "nodes", "gpu", "pool")}
        return [Wait(at_ns, subject, data["milli"], **wanted)]
    if kind == "attempt placed":
        attempt = msgspec.convert(data, AttemptRecord, str_keys=True)
        user, team = owner(attempt.job)
        return [
            Alloc(at_ns, attempt.job, attempt.number, share.node, share.milli, user=user, team=team)
            for share in attempt.shares
        ]
    if kind == "attempt ended":
        attempt = msgspec.convert(data, AttemptRecord, str_keys=True)
        return [Free(at_ns, attempt.job, attempt.number)]
    if kind in ("job stopped", "job refused"):
        return [Leave(at_ns, subject)]
    return []


def _job(records: Records, job_id: str, memory: FleetMemory) -> tuple[str, str, str]:
    """User, team and run of a job."""
    if job_id not in memory.jobs:
        job = records.job(job_id)
        memory.jobs[job_id] = ("", "", "") if job is None else (job.user, job.team, job.run)
    return memory.jobs[job_id]


def _told(records: Records, attempt: AttemptRecord, memory: FleetMemory, at_ns: int) -> list[Told]:
    """What the run's account says of this attempt; nothing where it never began, or cannot be read."""
    try:
        account = ledger.account(run_folder(_job(records, attempt.job, memory)[2]))
    except (StoreError, LedgerError, OSError):
        return []
    until_ns = at_ns if attempt.ended_s is None else int(attempt.ended_s * NS_PER_S)
    since_ns = int(attempt.placed_s * NS_PER_S)
    return [told_of(account, attempt.job, attempt.number, at_ns=at_ns, since_ns=since_ns, until_ns=until_ns)]
