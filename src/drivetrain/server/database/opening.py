"""A URL -> an engine whose tables are of this version."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from drivetrain import __version__
from drivetrain.core.errors import StoreError, UsageError
from drivetrain.store import home

_MIGRATIONS = Path(__file__).with_name("migrations")
_NUM_CONNECTIONS = 20
_BUSY_MS = 30_000
_NUMBER = 0x0D71_7E7B  # of PostgreSQL's advisory lock; any, but the same everywhere
READS_ONLY = "drivetrain_reads_only"


def default_url() -> str:
    """SQLite in the store's root."""
    return f"sqlite:///{home() / 'server' / 'drivetrain.sqlite'}"


def open_database(url: str = "") -> Engine:
    """Open a database, make its tables or bring them to this version.

    Args:
      url: `sqlite:///FILE` or `postgresql://USER@HOST/NAME`; by default a file in the store's root.
    Raises: UsageError: this is no such URL. StoreError: it does not answer, or is of a newer version.
    """
    engine = engine_at(url or default_url())
    shown = engine.url.render_as_string(hide_password=True)
    try:
        with in_turn(engine) as connection:
            if not _is_current(connection):
                _migrate(connection)
    except OperationalError as exc:
        engine.dispose()
        raise StoreError(f"the database {shown} does not answer: {_first_line(exc)}", hint="is it running?") from exc
    except DBAPIError as exc:
        engine.dispose()
        raise StoreError(f"the database {shown} cannot be used: {_first_line(exc)}") from exc
    except _OtherVersionError as exc:
        engine.dispose()
        hint = "use the drivetrain that it was used with last, or a newer one"
        raise StoreError(f"the database {shown} is of another version: {exc}", hint=hint) from exc
    return engine


class _OtherVersionError(Exception):
    """No migration leads from the database's version to ours."""


def _is_current(connection: Connection) -> bool:
    """Whether there is nothing to migrate; to know that takes none of what migrations import."""
    if not inspect(connection).has_table("alembic_version"):
        return False
    versions = sorted(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))
    has = connection.scalars(text("SELECT version_num FROM alembic_version")).all()
    if unknown := set(has) - set(versions):
        found = ", ".join(sorted(unknown))
        raise _OtherVersionError(
            f"its tables are of version {found}, and drivetrain {__version__} knows {versions[-1]}"
        )
    return has == versions[-1:]


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def engine_at(address: str) -> Engine:
    """Of a database as it is; nothing is asked of it yet. Raises: UsageError: this is no such URL."""
    try:
        url = make_url(address)
    except (ArgumentError, ValueError) as exc:
        raise UsageError("this is no database URL", hint="sqlite:///FILE or postgresql://USER@HOST/NAME") from exc
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise UsageError(f"{url.drivername} is no database that this can use", hint="sqlite or postgresql")
    if url.get_backend_name() == "postgresql":
        return create_engine(url, pool_size=_NUM_CONNECTIONS, max_overflow=_NUM_CONNECTIONS, pool_pre_ping=True)
    if url.database:
        _make_file(Path(url.database))
    settings = {"check_same_thread": False, "timeout": _BUSY_MS / 1000}
    engine = create_engine(url, connect_args=settings, pool_size=_NUM_CONNECTIONS, max_overflow=_NUM_CONNECTIONS)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin)
    return engine


def _make_file(path: Path) -> None:
    """For its owner alone, as are the files that SQLite then makes beside it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as exc:
        raise StoreError(f"the database {path} cannot be opened: {exc.strerror}") from exc


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={_BUSY_MS}"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Any) -> None:
    """One that writes takes its turn at once, since it would fail where another wrote between its reads and writes."""
    reads = connection.get_execution_options().get(READS_ONLY, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads."""
    with engine.connect().execution_options(**{READS_ONLY: True}) as connection, connection.begin():
        yield connection


@contextmanager
def in_turn(engine: Engine) -> Iterator[Connection]:
    """A transaction that servers which start at once have one after the other."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":  # SQLite sees to that itself
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _NUMBER})
        yield connection


def _first_line(exc: DBAPIError) -> str:
    return str(exc.orig).strip().partition("\n")[0]
