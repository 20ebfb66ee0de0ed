"""`drivetrain simulate TRACE`: jobs come as they came once, on a fleet of your size, by our policy or another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drivetrain.core.errors import UsageError

if TYPE_CHECKING:
    from drivetrain.cli.progress import Advance
    from drivetrain.compute.policy.values import Snapshot
    from drivetrain.compute.simulate.summary import Quantiles, Summary
    from drivetrain.compute.simulate.values import Arrival
    from drivetrain.compute.simulate.world import World

POLICIES = ("plan", "fifo")
MOST_NODES = 100_000
MOST_REASONS = 5


def run(trace: Path, policies: Sequence[str], *, nodes: str, gpus_per_node: int, as_json: bool) -> None:
    """Read the trace, play it by each policy, and print."""
    from drivetrain.core.extras import require

    require("numpy", extra="compute")
    from drivetrain.compute.simulate.philly import read_philly

    arrivals = read_philly(trace, gpus_per_node=gpus_per_node)
    play_all(arrivals, fleet_of_size(nodes, gpus_per_node), policies, as_json=as_json)


def fleet_of_size(nodes: str, gpus_per_node: int) -> Snapshot:
    """So many equal nodes in one pool. Raises: UsageError: this is no number of nodes."""
    from drivetrain.compute.policy.values import MILLI, Node, Pool, Snapshot

    if not nodes.isdecimal() or not 1 <= int(nodes) <= MOST_NODES:
        raise UsageError(f"--nodes is {nodes!r}, expected how many there are", hint="--nodes 16 --gpus-per-node 8")
    found = tuple(Node(f"n{at:06d}", "fleet", (MILLI,) * gpus_per_node) for at in range(int(nodes)))
    return Snapshot(found, (Pool("fleet"),))


def play_all(arrivals: Sequence[Arrival], fleet: Snapshot, policies: Sequence[str], *, as_json: bool) -> None:
    """Play jobs on a fleet by each policy, and print."""
    import msgspec

    from drivetrain.cli.progress import bar

    unknown = [name for name in policies if name not in POLICIES]
    if unknown:
        raise UsageError(f"no policy {unknown[0]!r} for a trace", hint=f"one of {', '.join(POLICIES)}")
    names = policies or POLICIES[:1]
    found: list[Summary] = []
    with bar("simulate", len(names) * len(arrivals)) as advance:
        for name in names:
            before = len(found) * len(arrivals)
            found.append(_played(arrivals, name, fleet, partial(_tell, advance, before, name)))
    if as_json:
        click.echo(msgspec.json.encode(found[0] if len(found) == 1 else {"policies": found}).decode())
    else:
        click.echo(_text(found))


def _tell(advance: Advance, before: int, name: str, world: World) -> bool:
    """How many jobs are over; the play goes on."""
    advance(before + world.num_over, name)
    return False


def _played(arrivals: Sequence[Arrival], policy: str, fleet: Snapshot, told: Callable[[World], bool]) -> Summary:
    from drivetrain.compute.learn.run_times import History
    from drivetrain.compute.policy.plan import plan
    from drivetrain.compute.simulate.fifo import fifo
    from drivetrain.compute.simulate.front import Front, by_age, by_request
    from drivetrain.compute.simulate.summary import summary
    from drivetrain.compute.simulate.world import World

    decides, kind = {"plan": (plan, by_request), "fifo": (fifo, by_age)}[policy]
    world = World(fleet, 0.0, policy=decides, knowledge=History(), front=Front(kind))
    world.arrive(arrivals)
    world.run(until=told)
    return summary(world, policy, fleet.pools)


def _text(found: Sequence[Summary]) -> str:
    """A line for each policy, and under them how long each class waited and took; lost is device-hours done again."""
    jobs = ", ".join(f"{count:,} {what}" for what, count in sorted(found[0].num_jobs.items()))
    head = (
        "policy",
        "allocated",
        "free while some wait",
        "mean wait",
        "mean time",
        "preempted",
        "lost",
        "kept",
        "cost",
    )
    rows = [
        (
            one.policy,
            f"{one.allocated_pct:.1f} %",
            f"{one.unfilled_pct:.1f} %",
            f"{one.waited['all'].mean_s:,.0f} s",
            f"{one.took['all'].mean_s:,.0f} s",
            f"{one.num_preempted:,}",
            f"{one.lost_device_s / 3600:,.1f} h",
            f"{one.kept_pct:.1f} %",
            f"{one.cost / 1e6:,.2f}",
        )
        for one in found
    ]
    waits = [(kind, *(_cell(one.waited.get(kind)) for one in found)) for kind in found[0].waited]
    took = [(kind, *(_cell(one.took.get(kind)) for one in found)) for kind in found[0].took]
    return "\n".join(
        [
            f"{jobs}; {found[0].span_s / 86400:.1f} days",
            *(f"{count:,} refused: {why}" for why, count in list(found[0].refused.items())[:MOST_REASONS]),
            "",
            *_table([head, *rows]),
            "",
            *_table([("waited, p50 / p90 / p99 s", *(one.policy for one in found)), *waits]),
            "",
            *_table([("took, p50 / p90 / p99 s", *(one.policy for one in found)), *took]),
        ]
    )


def _cell(waited: Quantiles | None) -> str:
    return f"{waited.p50_s:,.0f} / {waited.p90_s:,.0f} / {waited.p99_s:,.0f}" if waited else "-"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as they must be, the first to the left and the others to the right."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
