"""Databases are made by migrations, and come to be what `tables.py` says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from drivetrain.core.errors import StoreError, UsageError
from drivetrain.server.database import open_database
from drivetrain.server.database.tables import metadata


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/folder/of.sqlite"
    return request.getfixturevalue("postgres").database(f"t{os.urandom(6).hex()}")


def test_migrations_make_what_the_tables_are(url: str) -> None:
    for _ in range(2):  # the second time there is nothing to do
        engine = open_database(url)
        with engine.begin() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, metadata) == []
            assert context.get_current_revision() == "0005"
        engine.dispose()


def test_a_database_of_a_newer_version_is_refused(url: str) -> None:
    engine = open_database(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreError, match=r"is of another version: its tables are of version 9999, and .* knows 0005"):
        open_database(url)


def test_what_is_no_database_is_refused_and_passwords_are_not_shown(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is some text " * 100)
    with pytest.raises(StoreError, match="file is not a database"):
        open_database(f"sqlite:///{tmp_path}/text")
    for wrong in ("nonsense", "mysql://host/name"):
        with pytest.raises(UsageError, match="database"):
            open_database(wrong)
    with pytest.raises(StoreError, match="does not answer") as caught:
        open_database(f"postgresql://me:hunter2@/name?host={tmp_path}")
    assert "hunter2" not in str(caught.value)
