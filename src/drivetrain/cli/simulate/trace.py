"""`drivetrain simulate TRACE`: jobs come as they came once, on a fleet of your size, by our policy or another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from drivetrain.core.errors import UsageError
from drivetrain.core.units import count_text

if TYPE_CHECKING:
    from drivetrain.cli.simulate.played import How
    from drivetrain.compute.simulate.values import Arrival


def run(trace: Path, *, nodes: str, fleet: Path | None, gpus_per_node: int | None, how: How) -> None:
    """Read the trace, play it by each policy, and print."""
    from drivetrain.core.extras import require

    require("numpy", extra="compute")
    from drivetrain.cli.simulate.fleet import site_in, site_of_size
    from drivetrain.cli.simulate.played import play_all
    from drivetrain.compute.simulate.philly import GPUS_PER_NODE, Table, read_philly
    from drivetrain.compute.simulate.pods import is_pods

    site = site_in(fleet) if fleet else site_of_size(nodes, gpus_per_node or GPUS_PER_NODE) if nodes else None
    most = max(node.num_gpus for node in site.nodes) if site else GPUS_PER_NODE
    per_node = gpus_per_node or max(1, most)
    table = Table(_pods(trace), {}) if is_pods(trace) else read_philly(trace, gpus_per_node=per_node)
    if site is None:
        raise UsageError(
            "there are no nodes to play it on", hint="--nodes 16 --gpus-per-node 8, or --fleet server.toml"
        )
    if table.left_out:
        num, reasons = sum(table.left_out.values()), ", ".join(f"{num:,} {why}" for why, num in table.left_out.items())
        click.echo(f"{trace}: {count_text(num, 'row')} left out: {reasons}", err=True)
    play_all(table.arrivals, site, how, left_out=table.left_out)


def _pods(path: Path) -> list[Arrival]:
    """Of an openb list."""
    from drivetrain.compute.simulate.openb import read_pods
    from drivetrain.compute.simulate.pods import arrivals_of, choosy

    pods = read_pods(path).pods
    if num := choosy(pods):
        click.echo(
            f"{num:,} pods that may have one of several kinds of GPUs are played as if any kind would do", err=True
        )
    return arrivals_of(pods)
