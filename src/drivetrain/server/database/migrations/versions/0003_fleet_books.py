"""The fleet's books: its history closed page by page. They begin empty, and are written up from all events."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "fleet_books",
        sa.Column("name", sa.String(16), primary_key=True),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "fleet_pages",
        sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("end_ns", sa.BigInteger(), nullable=False),
        sa.Column("summary", sa.LargeBinary(), nullable=False),
        sa.Column("details", sa.LargeBinary(), nullable=False),
        sa.Column("curves", sa.LargeBinary(), nullable=False),
    )
    op.create_index("fleet_pages_by_end", "fleet_pages", ["end_ns"])
    op.create_table(
        "fleet_attempts",
        sa.Column("id", sa.String(80), primary_key=True),
        sa.Column("page", sa.BigInteger(), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("end_ns", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
    )
    op.create_index("fleet_attempts_by_end", "fleet_attempts", ["end_ns", "start_ns"])


def downgrade() -> None:
    """Remove them."""
    for table in ("fleet_attempts", "fleet_pages", "fleet_books"):
        op.drop_table(table)
