"""`drivetrain stop`: have a job save and leave."""

from __future__ import annotations

import click


@click.command()
@click.argument("jobs", nargs=-1, required=True)
def command(jobs: tuple[str, ...]) -> None:
    """Have JOBS save and leave; one that waits ends at once."""
    from drivetrain.server.client import connect

    client = connect()
    for name in jobs:
        click.echo(f"{client.stop(name)['id']} is told to stop")
