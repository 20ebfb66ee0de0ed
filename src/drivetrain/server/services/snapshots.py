"""The code that jobs travel with: which is there, and one more."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from drivetrain.compute.snapshot import Manifest
from drivetrain.server.database import tables


def has(connection: Connection, snapshot: str) -> bool:
    """Whether it is there, whole."""
    table = tables.snapshots
    return connection.scalar(select(table.c.id).where(table.c.id == snapshot)) is not None


def add(connection: Connection, manifest: Manifest, now_s: float) -> None:
    """Write down one that is on the shelf."""
    connection.execute(insert(tables.snapshots), {"id": manifest.id, "made_s": now_s})
