"""The first tables."""

from alembic import op

from drivetrain.server.database.tables import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables, as they are in this version."""
    metadata.create_all(op.get_bind())


def downgrade() -> None:
    """Drop them."""
    metadata.drop_all(op.get_bind())
