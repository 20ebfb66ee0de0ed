"""`drivetrain top`: pools, nodes, who has what, and what it yields, now."""

from __future__ import annotations

import json

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(as_json: bool) -> None:
    """Show the fleet now: pools, nodes, who has what, who waits, and what became of the last hour."""
    from drivetrain.server.client import connect

    found = connect().ask("GET", "/api/top")
    click.echo(json.dumps(found["json"]) if as_json else found["text"])
