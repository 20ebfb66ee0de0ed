"""`drivetrain stop`: have a job save and leave."""

from __future__ import annotations

import json
from typing import Any

import click

from drivetrain.cli.errors import show_error


@click.command()
@click.argument("jobs", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON array of the jobs as they were.")
def command(jobs: tuple[str, ...], as_json: bool) -> None:
    """Have JOBS save and leave; one that waits ends at once. Where one is not there, the others are told all the same.

    Exit codes: 0 all are told, or had ended before · 2 one was refused.
    """
    from drivetrain.core.errors import UsageError
    from drivetrain.server.client import connect

    client = connect()
    told: list[dict[str, Any]] = []
    refused: list[UsageError] = []
    for name in jobs:
        try:
            job = client.stop(name)
        except UsageError as exc:
            refused.append(exc)
            continue
        told.append(job)
        if not as_json:
            click.echo(_said(job))
    if as_json:
        click.echo(json.dumps(told))
    for error in refused[:-1]:
        show_error(error.message, error.hint)
    if refused:
        raise refused[-1]


def _said(job: dict[str, Any]) -> str:
    from drivetrain.server.client import FINAL

    if job["state"] in FINAL:
        return f"{job['id']} has ended before: {job['state']}"
    return f"{job['id']} is told to stop"
