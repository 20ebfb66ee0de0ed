"""The token of commands on the server's own machine: it is good for as long as a server serves."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from tests.server_process import wait_for

from drivetrain.server import here, own_token
from drivetrain.server.database import open_database, reading
from drivetrain.server.own_token import LASTS_S, keeping_token, renew, see_to_token
from drivetrain.server.services import people

NOW_S = 2e9
LATE_S = NOW_S + LASTS_S - 60


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'database'}")
    yield engine
    engine.dispose()


def good(database: Engine, token: str, at_s: float) -> bool:
    with reading(database) as connection:
        return people.is_good(connection, token, for_s=0, now_s=at_s)


def test_a_server_that_serves_for_longer_than_a_token_is_good_makes_another_in_time(
    database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_token, "_EVERY_S", 0.01)
    see_to_token(database, tmp_path, NOW_S)
    first = here.read_token(tmp_path)
    with keeping_token(database, tmp_path, lambda: LATE_S):
        wait_for(lambda: here.read_token(tmp_path) != first, "another token")
    second = here.read_token(tmp_path)
    assert good(database, second, NOW_S + 2 * LASTS_S - 3600)
    assert good(database, first, LATE_S)  # of a command that has just read it


def test_a_token_that_is_good_for_long_stays(database: Engine, tmp_path: Path) -> None:
    see_to_token(database, tmp_path, NOW_S)
    first = here.read_token(tmp_path)
    renew(database, tmp_path, NOW_S + LASTS_S / 2 - 60)
    see_to_token(database, tmp_path, NOW_S + LASTS_S / 2 - 60)
    assert here.read_token(tmp_path) == first


def test_a_token_that_was_taken_back_stays_so_until_a_server_begins(database: Engine, tmp_path: Path) -> None:
    see_to_token(database, tmp_path, NOW_S)
    first = here.read_token(tmp_path)
    with database.begin() as connection:
        people.drop_tokens(connection, getpass.getuser())
    renew(database, tmp_path, LATE_S)
    assert here.read_token(tmp_path) == first
    see_to_token(database, tmp_path, LATE_S)
    assert good(database, here.read_token(tmp_path), LATE_S)
