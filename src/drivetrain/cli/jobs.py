"""`drivetrain jobs`: what runs, waits and has ended."""

from __future__ import annotations

import json
from typing import Any

import click

from drivetrain.cli.tables import table


@click.command()
@click.option("--mine", is_flag=True, help="Only my own.")
@click.option("--team", default="", help="Of this team alone.")
@click.option("--state", "states", multiple=True, help="In this state: waiting, running, succeeded, ...")
@click.option("--limit", default=50, show_default=True, help="The newest so many.")
@click.option("--history", is_flag=True, help="All that ever happened, as JSON Lines for `drivetrain simulate`.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array of objects.")
def command(mine: bool, team: str, states: tuple[str, ...], limit: int, history: bool, as_json: bool) -> None:
    """List jobs, newest first."""
    from drivetrain.server.client import connect

    client = connect()
    if history:
        for line in client.history():
            click.echo(line)
        return
    user = client.ask("GET", "/api/me")["name"] if mine else ""
    jobs = client.jobs(user=user, team=team, state=list(states), limit=limit)
    if as_json:
        click.echo(json.dumps(jobs))
    elif jobs:
        rows = [(j["id"], j["user"], j["team"], _state(j), j["job"]["name"], j["reason"]) for j in jobs]
        click.echo(table(("id", "user", "team", "state", "name", "reason"), rows))
    else:
        click.echo("there are no jobs; make one: drivetrain submit -- python train.py", err=True)


def _state(job: dict[str, Any]) -> str:
    """With how many tasks have a result, where it is an array."""
    tasks = job["tasks"]
    if tasks is None:
        return str(job["state"])
    return f"{job['state']} {tasks['num_succeeded'] + tasks['num_failed']}/{tasks['num_tasks']}"
