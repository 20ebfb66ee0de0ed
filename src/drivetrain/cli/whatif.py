"""`drivetrain whatif`: what more devices would change, from what is running and waiting now."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from drivetrain.cli.options import duration_ns
from drivetrain.cli.tables import table
from drivetrain.core.errors import UsageError
from drivetrain.core.units import NS_PER_S, duration_text

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHORTEST_S, _LONGEST_S = 60.0, 14 * 86400.0


class _OneText(click.Command):
    """Takes what is asked as one quoted text too: `"--add h100:16"`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Each argument that is an option and its value becomes two."""
        parted = [word for text in args for word in (text.split() if text.startswith("--add ") else [text])]
        return super().parse_args(ctx, parted)


@click.command(cls=_OneText)
@click.option("--add", multiple=True, required=True, metavar="KIND:NUMBER", help="So many more of a kind: h100:16.")
@click.option("--over", default="1d", show_default=True, help="How far to look ahead.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(add: tuple[str, ...], over: str, as_json: bool) -> None:
    """Play the fleet forward from this moment as it is, and as it would be with more devices.

    `drivetrain whatif "--add h100:16"`

    What runs and waits now is played on by the policy that schedules it, with run times as those of ended jobs were;
    what came in the last hours, six at most, comes once again within as many; after them nobody new comes. A kind that
    the fleet has none of comes on nodes of 8. The figures are means of several plays, the same draws for both fleets;
    devices are cores on nodes without accelerators.
    """
    from drivetrain.cli.progress import late_line
    from drivetrain.server.client import connect

    over_s = duration_ns("--over", over) / NS_PER_S
    if not _SHORTEST_S <= over_s <= _LONGEST_S:
        raise UsageError(f"--over is {over}, expected from 1m to 14d")
    body = {"add": list(add), "over_s": over_s}
    client = connect()
    with late_line("playing the fleet forward, as it is and as it would be ..."):
        found = client.ask("POST", "/api/whatif", body)
    click.echo(json.dumps(found) if as_json else _text(found))


def _text(found: dict[str, Any]) -> str:
    over = duration_text(int(found["over_s"] * NS_PER_S))
    rows = [_row("as it is", found["now"]), _row(f"with {' and '.join(found['added'])}", found["then"])]
    head = (f"over {over}", "devices", "mean wait", "started", "allocated")
    return table(head, rows, (1, 2, 3, 4))


def _row(name: str, outlook: dict[str, Any]) -> Sequence[str]:
    return (
        name,
        f"{outlook['num_gpus']:,}",
        duration_text(round(outlook["mean_wait_s"]) * NS_PER_S) if outlook["mean_wait_s"] >= 0.5 else "0 s",
        f"{outlook['num_started']:,.1f}",
        f"{outlook['allocated_pct']:.1f} %",
    )
