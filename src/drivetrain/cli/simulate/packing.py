"""`drivetrain simulate --pods --nodes`: how much of the devices a packing policy gets allocated."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drivetrain.cli.simulate.played import move_bar, policies_json
from drivetrain.core.errors import UsageError

if TYPE_CHECKING:
    from drivetrain.cli.simulate.played import How
    from drivetrain.compute.simulate.openb import Listed
    from drivetrain.compute.simulate.packing import Report


def run(pods_file: Path, nodes: str | None, how: How, *, demand_pct: float, has_departures: bool) -> None:
    """Read the lists, replay them by each policy, and print. Raises: UsageError: there is no list of nodes."""
    if nodes is None:
        raise UsageError("--pods is given without --nodes", hint="--nodes NODES.csv, the list of the nodes")
    from drivetrain.cli.progress import bar_or_lines
    from drivetrain.compute.policy.packing import RULES, rule_named
    from drivetrain.compute.simulate.openb import read_nodes, read_pods
    from drivetrain.compute.simulate.packing import replay
    from drivetrain.core.extras import require

    for module in ("numpy", "numba", "scipy"):
        require(module, extra="compute")
    rules = [rule_named(name) for name in how.policies] or [RULES[0]]
    pods, machines = read_pods(pods_file), read_nodes(Path(nodes))
    _tell_ignored(pods_file, pods)
    _tell_ignored(Path(nodes), machines)
    reports: list[Report] = []
    with bar_or_lines("simulate", 100 * len(rules)) as advance:
        for rule in rules:
            moved = partial(move_bar, advance, 100 * len(reports), rule.name)
            reports.append(
                replay(
                    pods.pods,
                    machines.machines,
                    rule,
                    seed=how.seed,
                    demand_pct=demand_pct,
                    has_departures=has_departures,
                    advance=moved,
                )
            )
    if reports[0].num_impossible:
        named = ", ".join(reports[0].impossible)
        click.echo(f"{reports[0].num_impossible} pods that no node could take even empty, such as {named}", err=True)
    if how.as_json:
        click.echo(policies_json(reports))
    else:
        click.echo(_text(reports))


def _tell_ignored(file: Path, listed: Listed) -> None:
    if listed.ignored:
        click.echo(f"{file}: columns that are not read: {', '.join(listed.ignored)}", err=True)


def _text(reports: Sequence[Report]) -> str:
    """A line for each policy, and under them the refused by class."""
    first = reports[0]
    how = "ask at any time for" if first.has_departures else "ask for"
    lines = [
        f"{first.num_arrivals:,} pods {how} {first.demand_pct:g} % of {first.num_gpus:,} GPUs on {first.num_nodes:,} "
        f"nodes, seed {first.seed}",
        "",
        f"{'policy':<10}  {'GPUs allocated':>14}  {'fragments':>9}  {'refused':>8}  {'a placement':>11}",
    ]
    for one in reports:
        shares = f"{one.gpu_allocation_pct:>12.2f} %  {one.fragment_pct:>7.2f} %"
        lines.append(f"{one.policy:<10}  {shares}  {one.num_refused:>8,}  {one.us_per_placement:>8.1f} us")
    width = max(map(len, ("refused, %", *first.refused_pct)))
    lines += ["", f"{'refused, %':<{width}}  {'  '.join(f'{one.policy:>8}' for one in reports)}"]
    lines += [
        f"{kind:<{width}}  {'  '.join(f'{one.refused_pct[kind]:>8.1f}' for one in reports)}"
        for kind in first.refused_pct
    ]
    return "\n".join(lines)
