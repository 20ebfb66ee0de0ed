"""`drivetrain simulate HISTORY`: our own jobs again, by our policy or another; and whether it decides as it did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from drivetrain.core.errors import DataError
from drivetrain.core.units import count_text

if TYPE_CHECKING:
    from drivetrain.cli.simulate.played import How
    from drivetrain.compute.simulate.replay import Replayed

SHOWN = 10
GPUS_PER_NODE = 8


def run(history: Path, *, nodes: str, fleet: Path | None, gpus_per_node: int | None, how: How) -> None:
    """Read the history, play its jobs by each policy, and print."""
    from drivetrain.core.extras import require

    require("numpy", extra="compute")
    from drivetrain.cli.simulate.fleet import site_in, site_of_size
    from drivetrain.cli.simulate.played import play_all
    from drivetrain.compute.simulate.history import arrivals_of, on_equal_nodes, read_history, site_of

    events = read_history(history)
    arrivals = on_equal_nodes(arrivals_of(events)) if nodes else arrivals_of(events)
    if fleet is not None:
        site = site_in(fleet)
    else:
        site = site_of_size(nodes, gpus_per_node or GPUS_PER_NODE) if nodes else site_of(events)
    if not arrivals:
        raise DataError(f"{history}: no job in it ran to an end yet")
    play_all(arrivals, site, how)


def run_replay(history: Path, *, as_json: bool) -> None:
    """Ask the policy again what it decided then; the exit code is 1 where it decides otherwise."""
    import msgspec

    from drivetrain.core.extras import require

    require("numpy", extra="compute")
    from drivetrain.compute.simulate.history import read_history
    from drivetrain.compute.simulate.replay import replay

    found = replay(read_history(history))
    click.echo(msgspec.json.encode(found).decode() if as_json else _text(found))
    if found.differences:
        raise click.exceptions.Exit(1)


def _text(found: Replayed) -> str:
    made = f"{count_text(found.num_plans, 'plan')} with {count_text(len(found.decisions), 'decision')}"
    if not found.differences:
        return f"{made}: all as they were made"
    lines = [f"{made}: {count_text(len(found.differences), 'plan')} would be another now"]
    for difference in found.differences[:SHOWN]:
        lines.append(f"at {difference.at_s:.3f}")
        lines += [f"  then  {decision}" for decision in difference.then if decision not in difference.now]
        lines += [f"  now   {decision}" for decision in difference.now if decision not in difference.then]
    return "\n".join(lines)
