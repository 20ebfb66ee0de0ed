"""`drivetrain simulate`: what a policy would have made of a workload; each kind of input has a file of its own here."""

from __future__ import annotations

from pathlib import Path

import click

from drivetrain.cli.simulate.inputs import check_not_packed, check_options
from drivetrain.cli.simulate.played import How
from drivetrain.core.errors import DataError


@click.command()
@click.argument("trace", required=False, type=click.Path(path_type=Path))
@click.option("--pods", type=click.Path(path_type=Path), help="CSV of pods, as openb has it: a study of packing.")
@click.option("--nodes", help="CSV of nodes, with --pods; how many, with TRACE or --workload.")
@click.option("--workload", type=click.Path(path_type=Path), help="CSV of training jobs, as Pollux has it.")
@click.option("--profiles", type=click.Path(path_type=Path), help="With --workload: a folder an application.")
@click.option("--gpus-per-node", type=click.IntRange(min=1, max=64), help="With TRACE (8 by default) or --workload.")
@click.option(
    "--restart-s",
    default=30.0,
    show_default=True,
    type=click.FloatRange(min=0, max=86400),
    help="With --workload: what moving a job costs.",
)
@click.option(
    "--declared-error",
    default=0.0,
    show_default=True,
    type=click.FloatRange(min=0, max=10),
    help="With --workload: lognormal error of declared work.",
)
@click.option("--policy", "policies", multiple=True, help="By name; several are compared.")
@click.option(
    "--seed",
    default=42,
    show_default=True,
    type=click.IntRange(min=0),
    help="Of the order in which things come, and of interruptions.",
)
@click.option(
    "--demand",
    "demand_pct",
    default=130.0,
    show_default=True,
    type=click.FloatRange(min=1, max=1000),
    help="With --pods: % of all devices that arrivals ask for.",
)
@click.option(
    "--departures", "has_departures", is_flag=True, help="With --pods: they leave too, by the list's own times."
)
@click.option(
    "--fleet",
    type=click.Path(path_type=Path),
    help="With TRACE: server.toml, a history, or openb's nodes.",
)
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page that needs no network.")
@click.option("--replay", "is_replay", is_flag=True, help="With HISTORY: whether the policy decides as it did.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(
    trace: Path | None,
    pods: Path | None,
    nodes: str | None,
    workload: Path | None,
    profiles: Path | None,
    gpus_per_node: int | None,
    restart_s: float,
    declared_error: float,
    policies: tuple[str, ...],
    seed: int,
    demand_pct: float,
    has_departures: bool,
    fleet: Path | None,
    html: Path | None,
    is_replay: bool,
    as_json: bool,
) -> None:
    """Replay a workload by a policy on a virtual clock, with the same code that schedules jobs.

    `drivetrain simulate jobs.csv --nodes 64 --policy plan --policy fifo`

    `drivetrain simulate --pods pods.csv --nodes nodes.csv --policy priced --policy fgd`

    `drivetrain simulate --workload jobs.csv --profiles traces --nodes 16 --gpus-per-node 4 --policy pollux`

    `drivetrain jobs --history > history.jsonl; drivetrain simulate history.jsonl --policy plan --policy fifo`

    With TRACE: jobs of a CSV, one a row as the Philly trace or openb has them, come as they came, on so many --nodes
    with --gpus-per-node, or on the pools of a --fleet. Policies: plan, fifo; by each, 5,000 jobs on 64 nodes take about
    half a minute, and 80,000 many minutes. TRACE may be a HISTORY of our own too, on the fleet that was there or on
    another; with --replay the policy is asked again what it decided then, and says what it would decide otherwise.

    With --pods and --nodes: pods drawn from the list ask for --demand % of the nodes' GPUs, and are placed one at a
    time; how much of the GPUs is allocated then, and which pods were refused. Policies: priced, fgd, best-fit, random.
    With --departures the list repeats without end, so often that its pods ask for --demand % at any time; allocation is
    the mean over time.

    With --workload and --profiles: training jobs that can run on any number of GPUs come as listed, and are given GPUs
    every minute; how long each took, from its submission to its end. Policies, by what they may know of a job besides
    its measured speed: nothing (elastic-blind, pollux, tiresias), its application's name (rollout-named,
    elastic-named), or also the work its user declared (rollout-declared, elastic-declared).

    Exit codes: 0 done · 1 with --replay: it decides otherwise · 2 wrong usage · 65 bad input.
    """
    from drivetrain.cli.simulate import history, packing, training
    from drivetrain.cli.simulate import trace as of_trace

    check_options()
    for file in (trace, pods, workload, fleet):
        check_not_packed(file)
    how = How(policies, seed, as_json, html)
    if pods is not None:
        packing.run(pods, nodes, how, demand_pct=demand_pct, has_departures=has_departures)
    elif workload is not None:
        costs = {"restart_s": restart_s, "declared_error": declared_error}
        training.run(workload, profiles, how, nodes=nodes, gpus_per_node=gpus_per_node, **costs)
    elif trace is not None:
        _check_file(trace)
        if is_replay:
            history.run_replay(trace, as_json=as_json)
        else:
            from drivetrain.compute.simulate.history import is_history

            play = history.run if is_history(trace) else of_trace.run
            play(trace, nodes=nodes or "", fleet=fleet, gpus_per_node=gpus_per_node, how=how)


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"{path}: {'is a folder' if path.is_dir() else 'there is no such file'}")
