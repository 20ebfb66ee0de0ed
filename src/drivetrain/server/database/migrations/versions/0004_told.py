"""What was told of waits after it was corrected, to say that it is late and to correct by how often it held."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns; empty for what was told before."""
    for name in ("told_low_s", "told_middle_s", "told_high_s"):
        op.add_column("estimates", sa.Column(name, sa.Float(), nullable=True))


def downgrade() -> None:
    """Remove them."""
    with op.batch_alter_table("estimates") as table:
        for name in ("told_low_s", "told_middle_s", "told_high_s"):
            table.drop_column(name)
