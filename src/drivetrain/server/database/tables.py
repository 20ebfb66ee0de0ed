"""What is kept. A record is JSON in one column; what is asked for by value stands beside it."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()
_SEQUENCE = BigInteger().with_variant(Integer, "sqlite")

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("user", String(64), nullable=False),
    Column("team", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("parent", String(64), nullable=False),
    Column("submitted_s", Float, nullable=False),
    Column("request_key", String(128), unique=True),  # a request that comes again makes no second job
    Column("record", Text, nullable=False),
    Index("jobs_by_state", "state", "submitted_s"),
    Index("jobs_by_user", "user", "submitted_s"),
    Index("jobs_by_time", "submitted_s"),
    Index("jobs_by_parent", "parent"),
)
attempts = Table(
    "attempts",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("job", String(64), ForeignKey("jobs.id"), nullable=False, index=True),
    Column("state", String(16), nullable=False, index=True),
    Column("record", Text, nullable=False),
)
inbox = Table(
    "inbox",
    metadata,
    Column("seq", _SEQUENCE, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("subject", String(80), nullable=False),
    Column("data", Text, nullable=False),
)
events = Table(
    "events",
    metadata,
    Column("seq", _SEQUENCE, primary_key=True, autoincrement=True),
    Column("at_ns", BigInteger, nullable=False, index=True),
    Column("kind", String(24), nullable=False),
    Column("subject", String(80), nullable=False, index=True),
    Column("data", Text, nullable=False),
)
arrays = Table(
    "arrays",
    metadata,
    Column("job", String(64), ForeignKey("jobs.id"), primary_key=True),
    Column("first", Integer, nullable=False),
    Column("next", Integer, nullable=False),  # of the tasks that were never given out, the first
    Column("end", Integer, nullable=False),
    Column("num_succeeded", Integer, nullable=False),
    Column("num_failed", Integer, nullable=False),
    Column("took_s", Float, nullable=False),  # by all that succeeded
    Column("longest_s", Float, nullable=False),
)
task_leases = Table(
    "task_leases",
    metadata,
    Column("job", String(64), primary_key=True),
    Column("task", Integer, primary_key=True),
    Column("worker", String(80), primary_key=True),
    Column("at_s", Float, nullable=False),
    Index("task_leases_by_worker", "worker"),
)
task_tries = Table(
    "task_tries",
    metadata,
    Column("job", String(64), primary_key=True),
    Column("task", Integer, primary_key=True),
    Column("num_failures", Integer, nullable=False),
    Column("waits", Boolean, nullable=False),  # to be given out again
    Index("task_tries_that_wait", "job", "waits"),
)
task_results = Table(
    "task_results",
    metadata,
    Column("job", String(64), primary_key=True),
    Column("task", Integer, primary_key=True),
    Column("exit_code", Integer, nullable=False),
    Column("took_s", Float, nullable=False),
    Column("worker", String(80), nullable=False),
)
estimates = Table(
    "estimates",
    metadata,
    Column("attempt", String(80), primary_key=True),  # that should start then, though it may not be there yet
    Column("at_s", Float, nullable=False),
    Column("low_s", Float, nullable=False),  # from then, before it was corrected
    Column("high_s", Float, nullable=False),
    Column("told_low_s", Float),  # as it was told, corrected
    Column("told_middle_s", Float),
    Column("told_high_s", Float),
    Index("estimates_by_time", "at_s"),
)
settings = Table(
    "settings",
    metadata,
    Column("kind", String(16), primary_key=True),  # pool, node, quota, budget
    Column("name", String(160), primary_key=True),
    Column("record", Text, nullable=False),
)
snapshots = Table(
    "snapshots",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("made_s", Float, nullable=False),
)
fleet_books = Table(
    "fleet_books",
    metadata,
    Column("name", String(16), primary_key=True),  # one row, of the whole fleet
    Column("seq", BigInteger, nullable=False),  # of the last event that is in them
    Column("record", LargeBinary, nullable=False),
)
fleet_pages = Table(
    "fleet_pages",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),  # of the last event on it
    Column("start_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger, nullable=False),
    Column("summary", LargeBinary, nullable=False),
    Column("details", LargeBinary, nullable=False),
    Column("curves", LargeBinary, nullable=False),
    Index("fleet_pages_by_end", "end_ns"),
)
fleet_attempts = Table(
    "fleet_attempts",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("page", BigInteger, nullable=False),
    Column("start_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger, nullable=False),
    Column("record", LargeBinary, nullable=False),
    Index("fleet_attempts_by_end", "end_ns", "start_ns"),
)
users = Table(
    "users",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("role", String(16), nullable=False),
)
members = Table(
    "members",
    metadata,
    Column("user", String(64), ForeignKey("users.name"), primary_key=True),
    Column("team", String(64), primary_key=True),
    Column("place", Integer, nullable=False),  # among the user's teams, from 0
)
tokens = Table(
    "tokens",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("user", String(64), ForeignKey("users.name"), nullable=False),
    Column("label", String(64), nullable=False),
    Column("made_s", Float, nullable=False),
    Column("expires_s", Float, nullable=False),
)
audit = Table(
    "audit",
    metadata,
    Column("seq", _SEQUENCE, primary_key=True, autoincrement=True),
    Column("at_s", Float, nullable=False),
    Column("user", String(64), nullable=False),
    Column("action", String(24), nullable=False),
    Column("subject", String(80), nullable=False),
    Column("was_allowed", Boolean, nullable=False),
)
locks = Table(
    "locks",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("holder", String(64), nullable=False),
)
