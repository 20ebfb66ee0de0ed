"""On what jobs are played: so many equal nodes, or a fleet as the server has it described."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from drivetrain.core.errors import UsageError

if TYPE_CHECKING:
    from drivetrain.compute.simulate.site import Site

MOST_NODES = 100_000


def number_of_nodes(text: str) -> int:
    """How many `--nodes` says there are. Raises: UsageError: it is no such number."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 6) or not 1 <= int(text) <= MOST_NODES:
        raise UsageError(
            f"--nodes is {text[:40]!r}, expected a whole number from 1 to {MOST_NODES:,}",
            hint="--nodes 16 --gpus-per-node 8",
        )
    return int(text)


def site_of_size(nodes: str, gpus_per_node: int) -> Site:
    """So many equal nodes in one pool. Raises: UsageError: this is no number of nodes."""
    from drivetrain.compute.simulate.site import equal_nodes

    return equal_nodes(number_of_nodes(nodes), gpus_per_node)


def site_in(path: Path) -> Site:
    """Of a history, its nodes, pools, quotas and budgets; of a `server.toml`, its pools with their nodes; or openb's.

    Raises: ConfigError, DataError: it is none. UsageError: a pool does not say how many accelerators its nodes have.
    """
    from drivetrain.compute.controller.changes import Settings
    from drivetrain.compute.simulate.history import is_history, read_history, site_of
    from drivetrain.compute.simulate.openb import read_nodes
    from drivetrain.compute.simulate.pods import is_nodes
    from drivetrain.compute.simulate.pods import site_of as site_of_machines
    from drivetrain.compute.simulate.site import Site, alike
    from drivetrain.server.pools import read_config

    if is_history(path):
        return site_of(read_history(path))
    if is_nodes(path):
        return site_of_machines(read_nodes(path).machines)
    pools = read_config(path).pools
    for pool in pools:
        if not pool.gpus:
            raise UsageError(
                f"{path}: pool {pool.name} does not say how many GPUs each of its nodes has",
                hint="nodes = 16 and gpus = 8 in it; or --fleet history.jsonl, with the nodes as the server saw them",
            )
    nodes = [node for pool in pools for node in alike(pool.name, pool.nodes, pool.gpus, pool.gpu)]
    return Site(tuple(nodes), Settings(pools=tuple(pool.pool for pool in pools)))
