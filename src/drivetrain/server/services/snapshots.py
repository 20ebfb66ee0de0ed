"""The code that jobs travel with: which is there, and one more."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, insert, select

from drivetrain.compute.snapshot import Manifest
from drivetrain.server.database import tables

_FIND = select(tables.snapshots.c.id).where(tables.snapshots.c.id == bindparam("key"))


def has(connection: Connection, snapshot: str) -> bool:
    """Whether it is there, whole."""
    return connection.scalar(_FIND, {"key": snapshot}) is not None


def add(connection: Connection, manifest: Manifest, now_s: float) -> None:
    """Write down one that is on the shelf."""
    connection.execute(insert(tables.snapshots), {"id": manifest.id, "made_s": now_s})
