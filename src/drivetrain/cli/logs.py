"""`drivetrain logs`: what a job's ranks print."""

from __future__ import annotations

import click


@click.command()
@click.argument("job")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job has ended.")
@click.option("--rank", type=click.IntRange(min=0), help="Of one rank alone.")
def command(job: str, follow: bool, rank: int | None) -> None:
    """Show what JOB's ranks print: an id, the beginning of one, or `latest`."""
    from drivetrain.server.client import connect

    client = connect()
    unfinished: dict[str, str] = {}
    for piece in client.logs(job, rank=rank, follow=follow):
        prefix = "" if rank is not None else f"[{piece['rank']}] "
        text = unfinished.pop(piece["file"], "") + piece["text"]
        whole, newline, rest = text.rpartition("\n")
        if rest:
            unfinished[piece["file"]] = rest
        if newline:
            click.echo("\n".join(prefix + line for line in whole.split("\n")))
    for rest in unfinished.values():
        click.echo(rest)
