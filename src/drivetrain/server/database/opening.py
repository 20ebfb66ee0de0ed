"""A URL -> an engine whose tables are of this version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from drivetrain.core.errors import StoreError, UsageError
from drivetrain.store import home

_MIGRATIONS = Path(__file__).with_name("migrations")
_NUM_CONNECTIONS = 20
_BUSY_MS = 30_000
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
    engine = _engine(url or default_url())
    try:
        with engine.connect() as connection:
            config = Config()
            config.set_main_option("script_location", str(_MIGRATIONS))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
    except OperationalError as exc:
        engine.dispose()
        shown = engine.url.render_as_string(hide_password=True)
        raise StoreError(f"the database {shown} does not answer: {_first_line(exc)}", hint="is it running?") from exc
    except Exception as exc:
        engine.dispose()
        if type(exc).__name__ == "CommandError":
            raise StoreError(f"the database is of another version: {exc}", hint="use the newer drivetrain") from exc
        raise
    return engine


def _engine(text: str) -> Engine:
    try:
        url = make_url(text)
    except ArgumentError as exc:
        raise UsageError("this is no database URL", hint="sqlite:///FILE or postgresql://USER@HOST/NAME") from exc
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise UsageError(f"{url.drivername} is no database that this can use", hint="sqlite or postgresql")
    if url.get_backend_name() == "postgresql":
        return create_engine(url, pool_size=_NUM_CONNECTIONS, pool_pre_ping=True)
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": _BUSY_MS / 1000})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin)
    return engine


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


def _first_line(exc: DBAPIError) -> str:
    return str(exc.orig).strip().partition("\n")[0]
