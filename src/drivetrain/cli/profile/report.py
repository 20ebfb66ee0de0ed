"""What traces say: where each step's time goes, and what to change."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("traces", nargs=-1, required=True, metavar="TRACE...", type=click.Path(path_type=Path))
def command(traces: tuple[Path, ...]) -> None:
    """Say where the steps of TRACE... spend their time.

    A TRACE is a file (.json, .json.gz), a folder of them, or a run.
    """
    from drivetrain.profile import read_trace

    for path in traces:
        trace = read_trace(path)
        click.echo(f"{trace.origin.name}: {len(trace):,} events")
