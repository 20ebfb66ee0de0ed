"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
_SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("user", sa.String(64), nullable=False),
        sa.Column("team", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("parent", sa.String(64), nullable=False),
        sa.Column("submitted_s", sa.Float(), nullable=False),
        sa.Column("request_key", sa.String(128), unique=True),
        sa.Column("record", sa.Text(), nullable=False),
    )
    op.create_index("jobs_by_parent", "jobs", ["parent"])
    op.create_index("jobs_by_state", "jobs", ["state", "submitted_s"])
    op.create_index("jobs_by_time", "jobs", ["submitted_s"])
    op.create_index("jobs_by_user", "jobs", ["user", "submitted_s"])
    op.create_table(
        "attempts",
        sa.Column("id", sa.String(80), primary_key=True),
        sa.Column("job", sa.String(64), sa.ForeignKey("jobs.id"), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
    )
    op.create_index("ix_attempts_job", "attempts", ["job"])
    op.create_index("ix_attempts_state", "attempts", ["state"])
    op.create_table(
        "inbox",
        sa.Column("seq", _SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(80), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("seq", _SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("subject", sa.String(80), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
    )
    op.create_index("ix_events_at_ns", "events", ["at_ns"])
    op.create_index("ix_events_subject", "events", ["subject"])
    op.create_table(
        "arrays",
        sa.Column("job", sa.String(64), sa.ForeignKey("jobs.id"), primary_key=True),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("next", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("num_succeeded", sa.Integer(), nullable=False),
        sa.Column("num_failed", sa.Integer(), nullable=False),
        sa.Column("took_s", sa.Float(), nullable=False),
        sa.Column("longest_s", sa.Float(), nullable=False),
    )
    op.create_table(
        "task_leases",
        sa.Column("job", sa.String(64), primary_key=True),
        sa.Column("task", sa.Integer(), primary_key=True),
        sa.Column("worker", sa.String(80), primary_key=True),
        sa.Column("at_s", sa.Float(), nullable=False),
    )
    op.create_index("task_leases_by_worker", "task_leases", ["worker"])
    op.create_table(
        "task_tries",
        sa.Column("job", sa.String(64), primary_key=True),
        sa.Column("task", sa.Integer(), primary_key=True),
        sa.Column("num_failures", sa.Integer(), nullable=False),
        sa.Column("waits", sa.Boolean(), nullable=False),
    )
    op.create_index("task_tries_that_wait", "task_tries", ["job", "waits"])
    op.create_table(
        "task_results",
        sa.Column("job", sa.String(64), primary_key=True),
        sa.Column("task", sa.Integer(), primary_key=True),
        sa.Column("exit_code", sa.Integer(), nullable=False),
        sa.Column("took_s", sa.Float(), nullable=False),
        sa.Column("worker", sa.String(80), nullable=False),
    )
    op.create_table(
        "settings",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(160), primary_key=True),
        sa.Column("record", sa.Text(), nullable=False),
    )
    op.create_table(
        "snapshots",
        sa.Column("id", sa.String(80), primary_key=True),
        sa.Column("made_s", sa.Float(), nullable=False),
    )
    op.create_table(
        "users",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("role", sa.String(16), nullable=False),
    )
    op.create_table(
        "members",
        sa.Column("user", sa.String(64), sa.ForeignKey("users.name"), primary_key=True),
        sa.Column("team", sa.String(64), primary_key=True),
        sa.Column("place", sa.Integer(), nullable=False),
    )
    op.create_table(
        "tokens",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("user", sa.String(64), sa.ForeignKey("users.name"), nullable=False),
        sa.Column("label", sa.String(64), nullable=False),
        sa.Column("made_s", sa.Float(), nullable=False),
        sa.Column("expires_s", sa.Float(), nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("seq", _SEQUENCE, primary_key=True, autoincrement=True),
        sa.Column("at_s", sa.Float(), nullable=False),
        sa.Column("user", sa.String(64), nullable=False),
        sa.Column("action", sa.String(24), nullable=False),
        sa.Column("subject", sa.String(80), nullable=False),
        sa.Column("was_allowed", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "locks",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("holder", sa.String(64), nullable=False),
    )


def downgrade() -> None:
    """Drop them."""
    for name in (
        "tokens",
        "members",
        "attempts",
        "arrays",
        "users",
        "task_tries",
        "task_results",
        "task_leases",
        "snapshots",
        "settings",
        "locks",
        "jobs",
        "inbox",
        "events",
        "audit",
    ):
        op.drop_table(name)
