"""What the database knows -> the world of a controller: for the one that works, and for whoever plays it forward."""

from __future__ import annotations

from collections.abc import Container

from drivetrain.compute.controller.changes import Settings
from drivetrain.compute.controller.nodes import NodeRecord
from drivetrain.compute.controller.world import World
from drivetrain.compute.policy import values
from drivetrain.compute.policy.health import WINDOW_S
from drivetrain.core.units import NS_PER_S
from drivetrain.server.database import Records

_USED = 20_000  # attempts, for what teams have used lately
_PAID = 200_000  # attempts, where teams have budgets: those of a month
_LONGEST_S = 40 * 86400.0  # more than a budget's month
_LEARNED = 2_000  # jobs of each way to end, for how long they ran


def load_world(records: Records, pools: Container[str]) -> World:
    """All that is not over, what teams have used, and how long jobs ran; of these pools."""
    settings = Settings(
        tuple(pool for pool in records.settings("pool", values.Pool) if pool.name in pools),
        tuple(records.settings("quota", values.Quota)),
        tuple(records.settings("budget", values.Budget)),
    )
    nodes = [node for node in records.settings("node", NodeRecord) if node.pool in pools]
    return World.restored(
        records.unfinished_jobs(),
        records.living_attempts(),
        nodes,
        settings,
        used=records.ended_lately(_PAID if settings.budgets else _USED),
        ended=records.ended_jobs(_LEARNED),
        failures=records.failures(records.newest_event_ns() - round(WINDOW_S * NS_PER_S)),
        prices=_prices(records, settings) if settings.budgets else None,
    )


def _prices(records: Records, settings: Settings) -> dict[str, list[tuple[float, int]]]:
    """Since when each pool has had which price: those that controllers began with, and from now on the present one."""
    now_s = records.newest_event_ns() / NS_PER_S
    found: dict[str, list[tuple[float, int]]] = {}
    for at_s, pools in [*records.pools_since(now_s - _LONGEST_S), (now_s, settings.pools)]:
        for pool in pools:
            had = found.setdefault(pool.name, [])
            if not had or had[-1][1] != pool.price_per_gpu_h:
                had.append((at_s, pool.price_per_gpu_h))
    return found
