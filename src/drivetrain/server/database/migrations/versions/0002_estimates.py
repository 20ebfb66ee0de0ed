"""What was told of waits, to be held against what came true."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "estimates",
        sa.Column("attempt", sa.String(80), primary_key=True),
        sa.Column("at_s", sa.Float(), nullable=False),
        sa.Column("low_s", sa.Float(), nullable=False),
        sa.Column("high_s", sa.Float(), nullable=False),
    )
    op.create_index("estimates_by_time", "estimates", ["at_s"])


def downgrade() -> None:
    """Remove it."""
    op.drop_table("estimates")
