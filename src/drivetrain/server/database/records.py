"""Frozen records <-> rows: written and read in bulk, each in one statement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, TypeVar

import msgspec
from sqlalchemy import (
    BindParameter,
    Connection,
    Delete,
    Insert,
    Select,
    Table,
    Update,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.compiler import SQLCompiler

from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.controller.states import AttemptRecord, AttemptState, JobRecord, JobState
from drivetrain.compute.job import accepted_before
from drivetrain.compute.policy.values import Failure, Pool
from drivetrain.core.units import NS_PER_S
from drivetrain.server.database import tables

T = TypeVar("T")
_FEW, _ESCAPE, _BEGINS = 500, "/", "controller begins"
_FINAL = [state.value for state in JobState if state.is_final]
_INBOX = tables.inbox.c
_TELL = insert(tables.inbox)
_JOB, _ATTEMPT = (
    select(table.c.record).where(table.c.id == bindparam("key")) for table in (tables.jobs, tables.attempts)
)
_JOB_OF_KEY = select(tables.jobs.c.record).where(tables.jobs.c.request_key == bindparam("key"))
_OF_THESE: BindParameter[Any] = bindparam("these", expanding=True)
_FAMILY = select(tables.jobs.c.record).where(tables.jobs.c.id.in_(_OF_THESE) | tables.jobs.c.parent.in_(_OF_THESE))
_MESSAGES = select(_INBOX.seq, _INBOX.kind, _INBOX.subject, _INBOX.data).order_by(_INBOX.seq).limit(bindparam("most"))
_DROP_MESSAGE = delete(tables.inbox).where(_INBOX.seq == bindparam("number"))
_CHANGE = {
    table: update(table).where(table.c.id == bindparam("key")).values(state=bindparam("now"), record=bindparam("data"))
    for table in (tables.jobs, tables.attempts)
}
_INSERT = {table: insert(table).inline() for table in (tables.jobs, tables.attempts, tables.events)}
_ATTEMPTS_OF = select(tables.attempts.c.record).where(tables.attempts.c.job == bindparam("of"))
_NEWEST = (
    select(tables.jobs.c.record)
    .where(tables.jobs.c.parent == "")
    .order_by(tables.jobs.c.submitted_s.desc(), tables.jobs.c.id.desc())
    .limit(1)
)
"""What is said all the time; to put a statement together takes longer than to execute it."""


class _Run(msgspec.Struct):
    """As much of a job's record as says which run it is."""

    run: str


class _Begun(msgspec.Struct):
    """As much of how a controller began as says what pools it had."""

    pools: tuple[Pool, ...] = ()


class Records:
    """Reads and writes within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def add_job(self, job: JobRecord, *, key: str | None = None) -> None:
        """Insert. Raises sqlalchemy.exc.IntegrityError: the key has a job already."""
        self.connection.execute(_INSERT[tables.jobs], _job_row(job) | {"request_key": key})

    def add_jobs(self, jobs: Sequence[JobRecord]) -> None:
        """Insert many."""
        self._insert(tables.jobs, map(_job_row, jobs))

    def change_jobs(self, jobs: Iterable[JobRecord]) -> None:
        """Write those that changed."""
        self._change(tables.jobs, jobs)

    def add_attempts(self, attempts: Iterable[AttemptRecord]) -> None:
        """Insert many."""
        rows = [{"id": a.id, "job": a.job, "state": a.state.value, "record": encoded(a)} for a in attempts]
        self._insert(tables.attempts, rows)

    def change_attempts(self, attempts: Iterable[AttemptRecord]) -> None:
        """Write those that changed."""
        self._change(tables.attempts, attempts)

    def job(self, job_id: str) -> JobRecord | None:
        """One, or None where there is none."""
        text = self.connection.scalar(_JOB, {"key": job_id})
        return None if text is None else decoded(text, JobRecord)

    def job_of_key(self, key: str) -> JobRecord | None:
        """The one that a request with this key made."""
        text = self.connection.scalar(_JOB_OF_KEY, {"key": key})
        return None if text is None else decoded(text, JobRecord)

    def unfinished_jobs(self) -> list[JobRecord]:
        """All that may change, in the order in which they came."""
        table = tables.jobs
        query = select(table.c.record).where(table.c.state.not_in(_FINAL)).order_by(table.c.submitted_s, table.c.id)
        return [decoded(text, JobRecord) for text in self.connection.scalars(query)]

    def jobs(
        self, *, user: str = "", team: str = "", states: Sequence[str] = (), begin: str = "", limit: int = 100
    ) -> list[JobRecord]:
        """The newest first, without workers of arrays."""
        query = _jobs(user=bool(user), team=bool(team), states=bool(states), begin=bool(begin))
        told = {"user": user, "team": team, "states": states, "begin": f"{_escaped(begin)}%", "most": limit}
        return [decoded(text, JobRecord) for text in self.connection.scalars(query, told)]

    def newest_job(self) -> JobRecord | None:
        """The one that came last, but for workers of arrays."""
        text = self.connection.scalar(_NEWEST)
        return None if text is None else decoded(text, JobRecord)

    def family(self, job_ids: Sequence[str]) -> list[JobRecord]:
        """These jobs and, of those that are arrays, the workers; in order of time."""
        found = []
        for begin in range(0, len(job_ids), _FEW):
            rows = self.connection.scalars(_FAMILY, {"these": job_ids[begin : begin + _FEW]})
            found += [decoded(text, JobRecord) for text in rows]
        return sorted(found, key=lambda job: (job.submitted_s, job.id))

    def whose(self, job_ids: Sequence[str]) -> dict[str, tuple[str, str, str]]:
        """User, team and run of each of these that there is."""
        table = tables.jobs
        found: dict[str, tuple[str, str, str]] = {}
        for begin in range(0, len(job_ids), _FEW):
            query = select(table.c.id, table.c.user, table.c.team, table.c.record)
            rows = self.connection.execute(query.where(table.c.id.in_(job_ids[begin : begin + _FEW])))
            found |= {job: (user, team, msgspec.json.decode(text, type=_Run).run) for job, user, team, text in rows}
        return found

    def attempts_of(self, job_id: str) -> list[AttemptRecord]:
        """In order."""
        found = [decoded(text, AttemptRecord) for text in self.connection.scalars(_ATTEMPTS_OF, {"of": job_id})]
        return sorted(found, key=lambda attempt: attempt.number)

    def attempt(self, attempt_id: str) -> AttemptRecord | None:
        """One, or None where there is none."""
        text = self.connection.scalar(_ATTEMPT, {"key": attempt_id})
        return None if text is None else decoded(text, AttemptRecord)

    def living_attempts(self) -> list[AttemptRecord]:
        """All that have not ended."""
        table = tables.attempts
        query = select(table.c.record).where(table.c.state != AttemptState.ENDED.value).order_by(table.c.id)
        return [decoded(text, AttemptRecord) for text in self.connection.scalars(query)]

    def ended_lately(self, limit: int) -> list[tuple[str, AttemptRecord]]:
        """Team and attempt of the last ones that ended."""
        table, jobs = tables.attempts, tables.jobs
        query = select(jobs.c.team, table.c.record).join(jobs, jobs.c.id == table.c.job)
        query = query.where(table.c.state == AttemptState.ENDED.value).order_by(table.c.id.desc()).limit(limit)
        return [(team, decoded(text, AttemptRecord)) for team, text in self.connection.execute(query)]

    def ended_jobs(self, limit: int) -> list[JobRecord]:
        """The last ones that ran to some end, as they ended; at most so many of each way to end."""
        table = tables.jobs
        found = []
        for state in (JobState.SUCCEEDED, JobState.FAILED, JobState.STOPPED):
            query = select(table.c.record).where(table.c.state == state.value)
            query = query.order_by(table.c.submitted_s.desc()).limit(limit)
            found += [decoded(text, JobRecord) for text in self.connection.scalars(query)]
        return sorted(found, key=lambda job: (job.ended_s or 0.0, job.id))

    def came_since(self, at_s: float, limit: int) -> list[JobRecord]:
        """The last ones that came, as they came: what runs on nodes, so workers of arrays instead of these."""
        table = tables.jobs
        query = select(table.c.record).where(table.c.submitted_s >= at_s)
        query = query.order_by(table.c.submitted_s.desc(), table.c.id.desc()).limit(limit)
        found = [decoded(text, JobRecord) for text in self.connection.scalars(query)]
        return [job for job in reversed(found) if not job.job.array]

    def tell(self, kind: str, subject: str, data: object) -> None:
        """Leave a message for the controller; it is dealt with once, in order."""
        row = {"kind": kind, "subject": subject, "data": msgspec.json.encode(data).decode()}
        self.connection.execute(_TELL, row)

    def messages(self, limit: int = 5000) -> list[tuple[int, str, str, Any]]:
        """Those that wait, in order: number, kind, subject, data."""
        rows = self.connection.execute(_MESSAGES, {"most": limit})
        return [(seq, kind, subject, msgspec.json.decode(data)) for seq, kind, subject, data in rows]

    def drop_messages(self, numbers: Sequence[int]) -> None:
        """They have been dealt with, in the same transaction."""
        self._in_bulk(_DROP_MESSAGE, [{"number": number} for number in numbers])

    def add_events(self, events: Iterable[tuple[int, str, str, object]]) -> None:
        """Append to history: time in ns since the epoch, kind, subject, data."""
        rows = (
            {"at_ns": at_ns, "kind": kind, "subject": subject, "data": msgspec.json.encode(data).decode()}
            for at_ns, kind, subject, data in events
        )
        self._insert(tables.events, rows)

    def events(
        self,
        *,
        subjects: Sequence[str] = (),
        kinds: Sequence[str] = (),
        after: int = 0,
        until: int | None = None,
        limit: int = 1000,
    ) -> list[tuple[int, int, str, str, Any]]:
        """History in order: number, time, kind, subject, data; of all where no subject or no kind is named.

        Args:
          after, until: numbers, `until` among them.
        """
        query = _events(subjects=bool(subjects), kinds=bool(kinds), until=until is not None)
        told = {"after": after, "most": limit, "until": until, "subjects": subjects, "kinds": kinds}
        rows = self.connection.execute(query, told)
        return [(seq, at_ns, kind, about, msgspec.json.decode(data)) for seq, at_ns, kind, about, data in rows]

    def event_after(self, after: int, number: int) -> int | None:
        """Number of the event that is so many after another; None where there are not so many."""
        table = tables.events
        query = select(table.c.seq).where(table.c.seq > after).order_by(table.c.seq).limit(1).offset(number - 1)
        return self.connection.scalar(query)

    def failures(self, since_ns: int) -> list[Failure]:
        """Those of nodes since then, in order; none from before somebody took a cordoned node back."""
        table = tables.events.c
        chosen = table.at_ns >= since_ns
        query: Select[Any] = select(table.seq, table.subject, table.data).where(chosen).order_by(table.seq)
        found = self.connection.execute(query.where(table.kind == "failure")).all()
        trusted = self._trusted(query, sorted({node for _, node, _ in found}))
        return [decoded(data, Failure) for seq, node, data in found if seq > trusted.get(node, 0)]

    def _trusted(self, events: Select[Any], nodes: Sequence[str]) -> dict[str, int]:
        """Of nodes that were cordoned and then taken back, the number of the event that says so."""
        found: dict[str, int] = {}
        cordoned: set[str] = set()
        table = tables.events.c
        for begin in range(0, len(nodes), _FEW):
            chosen = (table.kind == "node") & table.subject.in_(nodes[begin : begin + _FEW])
            for seq, name, data in self.connection.execute(events.where(chosen)):
                if decoded(data, NodeRecord).is_cordoned:
                    cordoned.add(name)
                elif name in cordoned:
                    cordoned.discard(name)
                    found[name] = seq
        return found

    def pools_since(self, at_s: float) -> list[tuple[float, tuple[Pool, ...]]]:
        """What pools controllers have begun with since then, and when: seconds since the epoch."""
        table = tables.events.c
        query = select(table.at_ns, table.data).where((table.at_ns >= at_s * NS_PER_S) & (table.kind == _BEGINS))
        rows = self.connection.execute(query.order_by(table.seq))
        return [(at_ns / NS_PER_S, msgspec.json.decode(data, type=_Begun).pools) for at_ns, data in rows]

    def newest_event_ns(self) -> int:
        """When the last thing happened that history tells; 0 where it is empty."""
        return self.connection.scalar(select(func.max(tables.events.c.at_ns))) or 0

    def settings(self, kind: str, of: type[T]) -> list[T]:
        """All of a kind, by name."""
        table = tables.settings
        query = select(table.c.record).where(table.c.kind == kind).order_by(table.c.name)
        return [decoded(text, of) for text in self.connection.scalars(query)]

    def set_setting(self, kind: str, name: str, record: object) -> None:
        """Write one, new or not, though another transaction may do so at the same moment."""
        text, table = encoded(record), tables.settings
        is_sqlite = self.connection.dialect.name == "sqlite"
        upsert: sqlite.Insert | postgresql.Insert = sqlite.insert(table) if is_sqlite else postgresql.insert(table)
        upsert = upsert.values(kind=kind, name=name, record=text)
        self.connection.execute(upsert.on_conflict_do_update(index_elements=["kind", "name"], set_={"record": text}))

    def drop_setting(self, kind: str, name: str) -> bool:
        """Remove one; whether there was one."""
        table = tables.settings
        return self.connection.execute(delete(table).where(table.c.kind == kind, table.c.name == name)).rowcount > 0

    def count_jobs(self, states: Sequence[str]) -> int:
        """How many are in one of these states."""
        query = select(func.count()).select_from(tables.jobs).where(tables.jobs.c.state.in_(states))
        return self.connection.scalar(query) or 0

    def _change(self, table: Table, records: Iterable[JobRecord | AttemptRecord]) -> None:
        rows = [{"key": each.id, "now": each.state.value, "data": encoded(each)} for each in records]
        self._in_bulk(_CHANGE[table], rows)

    def _insert(self, table: Table, rows: Iterable[dict[str, Any]]) -> None:
        self._in_bulk(_INSERT[table], list(rows))

    def _in_bulk(self, statement: Insert | Update | Delete, rows: Sequence[dict[str, Any]]) -> None:
        """To look at the values of each row takes SQLAlchemy longer than the database, so the driver gets them."""
        if not rows:
            return
        text, names = _text_of(statement, tuple(rows[0]), self.connection.dialect.name)
        self.connection.exec_driver_sql(text, [tuple(map(row.__getitem__, names)) for row in rows])


@cache
def _text_of(statement: Insert | Update | Delete, columns: tuple[str, ...], dialect: str) -> tuple[str, list[str]]:
    """As the driver takes it, and in which order the values."""
    known, style = (sqlite.dialect, "qmark") if dialect == "sqlite" else (postgresql.dialect, "format")
    compiled = statement.compile(dialect=known(paramstyle=style), column_keys=columns)
    assert isinstance(compiled, SQLCompiler)
    assert compiled.positiontup is not None
    return str(compiled), compiled.positiontup


@cache
def _jobs(*, user: bool, team: bool, states: bool, begin: bool) -> Select[str]:
    """The newest first, without workers of arrays: of a user, of a team, in some states, whose id begins so."""
    table = tables.jobs.c
    query = select(table.record).where(table.parent == "").limit(bindparam("most"))
    query = query.order_by(table.submitted_s.desc(), table.id.desc())
    if user:
        query = query.where(table.user == bindparam("user"))
    if team:
        query = query.where(table.team == bindparam("team"))
    if states:
        query = query.where(table.state.in_(bindparam("states", expanding=True)))
    if begin:
        query = query.where(table.id.like(bindparam("begin"), escape=_ESCAPE))
    return query


def _escaped(text: str) -> str:
    """As it is, within a pattern."""
    for sign in (_ESCAPE, "%", "_"):
        text = text.replace(sign, _ESCAPE + sign)
    return text


@cache
def _events(*, subjects: bool, kinds: bool, until: bool) -> Select[int, int, str, str, str]:
    """History in order: of some subjects, of some kinds, until some number."""
    table = tables.events.c
    query = select(table.seq, table.at_ns, table.kind, table.subject, table.data).where(table.seq > bindparam("after"))
    if subjects:
        query = query.where(table.subject.in_(bindparam("subjects", expanding=True)))
    if kinds:
        query = query.where(table.kind.in_(bindparam("kinds", expanding=True)))
    if until:
        query = query.where(table.seq <= bindparam("until"))
    return query.order_by(table.seq).limit(bindparam("most"))


def encoded(record: object) -> str:
    """As JSON text."""
    return msgspec.json.encode(record).decode()


def decoded(text: str, of: type[T]) -> T:
    """From JSON text."""
    with accepted_before():
        return msgspec.json.decode(text, type=of)


def _job_row(job: JobRecord) -> dict[str, Any]:
    return {
        "id": job.id,
        "user": job.user,
        "team": job.team,
        "state": job.state.value,
        "parent": job.parent,
        "submitted_s": job.submitted_s,
        "record": encoded(job),
    }
