"""What devices cost goes by the price that they had at the time."""

from __future__ import annotations

from pathlib import Path

from tests.server.known import NODES

from drivetrain.compute.controller.changes import Settings
from drivetrain.compute.policy.values import Pool
from drivetrain.core.units import NS_PER_S
from drivetrain.ledger.fleet import statement
from drivetrain.server.database import Records, open_database
from drivetrain.server.services.fleet import read_fleet

HOUR_NS = 3600 * NS_PER_S


def test_a_new_price_leaves_what_was_before_as_it_was(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/known.sqlite")
    with database.begin() as connection:
        records = Records(connection)
        dear = Pool("p", "on-demand", 3_000_000)
        records.set_setting("pool", "p", dear)
        cheap = Settings((Pool("p", "on-demand", 1_000_000),))
        records.add_events(
            [
                (HOUR_NS, "controller begins", "", cheap),
                (HOUR_NS, "node", NODES[0].name, NODES[0]),
                (2 * HOUR_NS, "controller begins", "", Settings((dear,))),
            ]
        )
        fleet = read_fleet(connection, 3 * 3600 * NS_PER_S)
    database.dispose()
    found = statement(fleet, 0, 3 * HOUR_NS)
    found.check()
    assert found.whole.cost == 8 * (1_000_000 + 3_000_000)
