"""`drivetrain cost`: device time and money of a window, by whoever spent it."""

from __future__ import annotations

import json

import click

from drivetrain.cli.options import duration_ns
from drivetrain.core.units import NS_PER_S


@click.command()
@click.option("--by", default="team", show_default=True, help="pool, team, user or job; several with commas.")
@click.option("--since", default="7d", show_default=True, help="How far back.")
@click.option(
    "--where", multiple=True, metavar="NAME=VALUE", help="Only this pool, team, user or job; may be repeated."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, whole milliseconds and millionths.")
def command(by: str, since: str, where: tuple[str, ...], as_json: bool) -> None:
    """Show where capacity and money went; what rows say sums to the whole exactly."""
    from drivetrain.server.addresses import query_text
    from drivetrain.server.client import connect

    query = query_text({"by": by, "since_s": duration_ns("--since", since) / NS_PER_S, "where": where})
    found = connect().ask("GET", f"/api/cost?{query}")
    click.echo(json.dumps(found["json"]) if as_json else found["text"])
