"""List runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from drivetrain.cli.tables import table

if TYPE_CHECKING:
    from drivetrain.report import RunLine


@click.command("runs")
@click.option("--json", "as_json", is_flag=True, help="One JSON array of objects, each with its id.")
def command(as_json: bool) -> None:
    """List runs, newest first."""
    import msgspec

    from drivetrain.report import list_lines
    from drivetrain.store import home

    lines = list_lines()
    if as_json:
        click.echo(msgspec.json.encode(lines).decode())
    elif lines:
        head = ("id", "made", "ranks", "status", "goodput", "name")
        click.echo(table(head, [_row(line) for line in lines], (2, 4)))
    else:
        click.echo(f"there are no runs in {home()}; make one: drivetrain demo", err=True)


def _row(line: RunLine) -> tuple[str, str, str, str, str, str]:
    goodput = "–" if line.goodput_pct is None else f"{line.goodput_pct:.1f} %"
    name = "" if line.name == line.id else line.name
    return line.id, line.made_at, str(line.num_ranks), line.status or "–", goodput, name
