"""`drivetrain resize`: another number of ranks for a run that is running."""

from __future__ import annotations

import click


@click.command("resize")
@click.argument("run_name", metavar="RUN")
@click.argument("num_ranks", metavar="N", type=click.IntRange(min=1))
def command(run_name: str, num_ranks: int) -> None:
    """Give RUN (an id, the beginning of one, or `latest`) N ranks, within the range it was started with.

    The ranks leave together before a step that all can reach, and go on from there: no step is done again.
    """
    from drivetrain.launch import ask_for
    from drivetrain.store import open_run

    run = open_run(run_name)
    ask_for(run, num_ranks)
    click.echo(f"{run.id} is asked to go on with {num_ranks}; its launcher says when it does", err=True)
