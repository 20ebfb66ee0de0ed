"""`drivetrain simulate`: what a policy would have made of a workload; each kind of input has a file of its own here."""

from __future__ import annotations

from pathlib import Path

import click

from drivetrain.core.errors import UsageError


@click.command()
@click.option("--pods", type=click.Path(path_type=Path), help="CSV of pods, as openb has it: a study of packing.")
@click.option("--nodes", help="CSV of nodes, with --pods.")
@click.option("--policy", "policies", multiple=True, help="By name; several are compared.")
@click.option("--seed", default=42, show_default=True, help="Of the order in which things come.")
@click.option(
    "--demand",
    "demand_pct",
    default=130.0,
    show_default=True,
    type=click.FloatRange(min=1, max=1000),
    help="With --pods: % of all devices that arrivals ask for.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(
    pods: Path | None, nodes: str | None, policies: tuple[str, ...], seed: int, demand_pct: float, as_json: bool
) -> None:
    """Replay a workload by a policy on a virtual clock, with the same code that schedules jobs.

    `drivetrain simulate --pods pods.csv --nodes nodes.csv --policy priced --policy fgd`

    With --pods and --nodes: pods drawn from the list ask for --demand % of the nodes' GPUs, and are placed one at a
    time; how much of the GPUs is allocated then, and which pods were refused. Policies: priced, fgd, best-fit, random.

    Exit codes: 0 done · 2 wrong usage · 65 bad input.
    """
    if pods is None:
        raise UsageError("nothing to replay", hint="drivetrain simulate --pods PODS.csv --nodes NODES.csv")
    if nodes is None:
        raise UsageError("--pods is given without --nodes", hint="--nodes NODES.csv, the list of the nodes")
    from drivetrain.cli.simulate import packing

    packing.run(pods, Path(nodes), policies, seed=seed, demand_pct=demand_pct, as_json=as_json)
