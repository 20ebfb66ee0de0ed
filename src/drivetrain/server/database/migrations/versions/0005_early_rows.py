"""What code of early versions wrote, as later code reads it; tables that came later have nothing to change."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
_SETTINGS = sa.table("settings", sa.column("kind"), sa.column("name"), sa.column("record"))


def upgrade() -> None:
    """Nodes that somebody set stay so, and the fleet's books can be read."""
    _keep_states_of_nodes()
    if "details" not in {column["name"] for column in sa.inspect(op.get_bind()).get_columns("fleet_pages")}:
        _begin_books_anew()


def _keep_states_of_nodes() -> None:
    """At first a node did not say who had set its state, and kept it: so it was as if it had been set here."""
    connection, table = op.get_bind(), _SETTINGS.c
    nodes = connection.execute(sa.select(table.name, table.record).where(table.kind == "node")).all()
    for name, text in nodes:
        record = json.loads(text)
        if "is_ours" not in record and record["state"] in ("draining", "cordoned"):
            change = sa.update(_SETTINGS).where(table.kind == "node", table.name == name)
            connection.execute(change.values(record=json.dumps(record | {"is_ours": True})))


def _begin_books_anew() -> None:
    """When 0003 was new pages had another form. Nothing is lost: all the events that they sum up are there."""
    for name in ("fleet_attempts", "fleet_books"):
        op.execute(sa.delete(sa.table(name)))
    op.drop_table("fleet_pages")
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


def downgrade() -> None:
    """The tables are those of 0004, and earlier code passes over what a node says besides."""
