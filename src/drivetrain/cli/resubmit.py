"""`drivetrain resubmit`: run again exactly what ran."""

from __future__ import annotations

import click


@click.command()
@click.argument("job")
@click.option("--json", "as_json", is_flag=True, help="Print the new job as JSON.")
def command(job: str, as_json: bool) -> None:
    """Run JOB again: the same command, the same code, a new run."""
    from drivetrain.cli.submit_quickly import tell
    from drivetrain.server.client import connect

    client = connect()
    before = client.job(job)
    record = client.ask(
        "POST",
        "/api/jobs",
        {"job": before["job"], "snapshot": before["snapshot"], "folder": before["folder"]},
    )
    tell(record, as_json=as_json)
