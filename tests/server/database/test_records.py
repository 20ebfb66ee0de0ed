"""Records are written by several at once, and read as they were written."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from drivetrain.compute.policy.values import Pool
from drivetrain.server.database import Records, open_database, reading


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/folder/of.sqlite"
    return request.getfixturevalue("postgres").database(f"t{os.urandom(6).hex()}")


def test_a_setting_that_two_write_at_once_is_that_of_the_later_one(url: str) -> None:
    engine = open_database(url)

    def write(pool: Pool) -> None:
        with engine.begin() as connection:
            Records(connection).set_setting("pool", pool.name, pool)

    later = threading.Thread(target=write, args=[Pool("p", "spot", 2, 0.0)])
    with engine.begin() as connection:
        Records(connection).set_setting("pool", "p", Pool("p", "reserved", 1, 0.0))
        later.start()
    later.join()
    with reading(engine) as connection:
        assert Records(connection).settings("pool", Pool)[0].name == "p"
        assert len(Records(connection).settings("pool", Pool)) == 1
    engine.dispose()
