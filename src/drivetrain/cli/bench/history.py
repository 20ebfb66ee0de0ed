"""What was measured so far."""

from __future__ import annotations

import click

from drivetrain.bench.history import DEFAULT


@click.command()
@click.argument("address", metavar="[HISTORY]", default=DEFAULT)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(address: str, as_json: bool) -> None:
    """Say what was measured so far."""
    import msgspec

    from drivetrain.bench.history import open_history, skipped_text

    found = open_history(address).read()
    if found.skipped:
        click.echo(f"left out: {skipped_text(found.skipped)}", err=True)
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
        return
    for result in found.results:
        click.echo(f"{result.name}  {result.side}  {result.commit}")
