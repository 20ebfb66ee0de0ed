"""Whether any pool can ever give what a job asks for, so that who submits hears at once when none can."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace

from sqlalchemy import Engine

from drivetrain.compute.controller.nodes import NodeRecord, with_what_is_free
from drivetrain.compute.controller.states import JobRecord
from drivetrain.compute.controller.told import request_of, waiting_of
from drivetrain.compute.policy.possible import Possible
from drivetrain.compute.policy.values import CORES, Pool, Waiting
from drivetrain.server.database import Records, reading

_KEPT_S = 60.0
"""How old a yes may be: at worst the controller says no a moment later. A look while that works costs the job 4 ms."""


@dataclass(frozen=True, slots=True)
class _Known:
    at_s: float
    possible: Possible
    has_cores: bool


class Fitting:
    """Remembers for a while what there is; before it says no, it looks again."""

    def __init__(self) -> None:
        self._known: _Known | None = None
        self._lock = threading.Lock()

    def refusal(self, database: Engine, record: JobRecord) -> str:
        """Why a controller will refuse a job, and the nearest that could be; empty where it will not."""
        with self._lock:
            known = self._known
            is_fresh = known is not None and time.monotonic() - known.at_s < _KEPT_S
            if known is not None and is_fresh and known.possible.pools(_asked(known, record)):
                return ""
            known = self._known = _read(database)
            return _refusal(known, record)


def _read(database: Engine) -> _Known:
    """As the policy looks: a quota refuses no job, since it may change."""
    with reading(database) as connection:
        records = Records(connection)
        nodes = records.settings("node", NodeRecord)
        pools = [pool.name for pool in records.settings("pool", Pool)]
    ours = [node for node in nodes if node.pool in pools]
    has_cores = any(node.gpu == CORES for node in ours)
    return _Known(time.monotonic(), Possible(with_what_is_free(ours, ()), pools), has_cores)


def _asked(known: _Known, record: JobRecord) -> Waiting:
    if record.job.array:  # its workers are what gets places
        record = replace(record, job=replace(record.job, array="", nodes=1))
    return waiting_of(record, request_of(record, has_cores=known.has_cores))


def _refusal(known: _Known, record: JobRecord) -> str:
    job = _asked(known, record)
    if known.possible.is_empty(job) or known.possible.pools(job):
        return ""
    why, nearest = known.possible.refusal(job)
    return f"{why}; nearest that could be: {nearest or 'none'}"
