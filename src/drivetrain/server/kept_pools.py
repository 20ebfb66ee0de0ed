"""The pools of the server whose controller works: what all servers of a database know of them."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Engine

from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.policy.values import Pool
from drivetrain.core.units import NS_PER_S
from drivetrain.server.database import Records, in_turn, reading
from drivetrain.server.pools import ServerConfig


def keep_pools(database: Engine, config: ServerConfig, now_s: float) -> None:
    """Write down which pools there are now; what other pools had is no part of the fleet any more, once it is free."""
    names = {pool.name for pool in config.pools}
    with in_turn(database) as connection:
        records = Records(connection)
        for gone in {pool.name for pool in records.settings("pool", Pool)} - names:
            records.drop_setting("pool", gone)
        for pool in config.pools:
            records.set_setting("pool", pool.name, pool.pool)
        records.set_setting("config", "server", config)
        held = {node for attempt in records.living_attempts() for node in attempt.nodes}
        for node in records.settings("node", NodeRecord):
            if node.pool not in names and node.name not in held:
                records.drop_setting("node", node.name)
                gone_node = replace(node, num_gpus=0, state="down", evidence="no server has its pool")
                records.add_events([(round(now_s * NS_PER_S), "node", node.name, gone_node)])


def kept_config(database: Engine) -> ServerConfig | None:
    """What the last server's controller worked with; None where there was none."""
    with reading(database) as connection:
        return next(iter(Records(connection).settings("config", ServerConfig)), None)
