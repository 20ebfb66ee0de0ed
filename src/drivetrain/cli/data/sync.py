"""Streams of a log are joined to one of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from drivetrain.cli.data.targets import json_text
from drivetrain.cli.options import duration_ns
from drivetrain.core.units import count_text, duration_text

if TYPE_CHECKING:
    from drivetrain.data.sync import SyncSpec


@click.command()
@click.argument("log")
@click.option("--reference", help="The stream whose messages are the rows; by default the first camera.")
@click.option("--spec", type=click.Path(path_type=Path), help="A TOML file of a SyncSpec: how each stream is joined.")
@click.option("--tolerance", help="Of all streams, such as 50ms; by default each has one by its own period.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the table as an Arrow file.")
@click.option("--svg", type=click.Path(path_type=Path), help="Draw the first rows on a time line.")
@click.option("--json", "as_json", is_flag=True, help="Print the description and the counts as JSON.")
def command(
    log: str,
    reference: str | None,
    spec: Path | None,
    tolerance: str | None,
    out: Path | None,
    svg: Path | None,
    as_json: bool,
) -> None:
    """Join the streams of a LOG to one of them, by time, and say what found nothing.

    Poses and scalars are interpolated, other streams joined to the nearest message, unless --spec says otherwise.
    """
    from dataclasses import asdict

    from drivetrain.core import config
    from drivetrain.core.errors import UsageError
    from drivetrain.data import open_log
    from drivetrain.data.sync import SyncSpec, missed, sync_table, write_sync_table
    from drivetrain.data.sync.picture import sync_figure
    from drivetrain.figures import standalone
    from drivetrain.store import publish_bytes

    if spec and (reference or tolerance):
        raise UsageError("--spec says everything: leave --reference and --tolerance out")
    opened = open_log(log)
    if spec:
        described = config.load_file(SyncSpec, spec)
    else:
        chosen = reference or next((camera.name for camera in opened.cameras), None)
        if chosen is None:
            raise UsageError(f"log {opened.name} has no camera", hint="say --reference STREAM")
        within_ns = duration_ns("--tolerance", tolerance) if tolerance else None
        described = SyncSpec.of(opened, chosen, tolerance_ns=within_ns)
    table = sync_table(opened, described)
    counts = missed(table)
    if as_json:
        click.echo(
            json_text({"log": opened.name, "num_rows": table.num_rows, "num_missed": counts, **asdict(described)})
        )
    else:
        click.echo(_text(opened.name, table.num_rows, described, counts))
    if out is not None:
        write_sync_table(table, out)
    if svg is not None:
        publish_bytes(svg, standalone(sync_figure(opened, table)).encode())
    for path in filter(None, (out, svg)):
        click.echo(f"wrote {path}", err=True)


def _text(log: str, num_rows: int, spec: SyncSpec, counts: dict[str, int]) -> str:
    lines = [f"{log}: {count_text(num_rows, 'row')}, one per message of {spec.reference}"]
    lines.append(f"  {'stream':<28} {'joined by':<12} {'tolerance':>9} {'matched':>9} {'missed':>7}")
    lines += [
        f"  {name:<28} {match.method:<12} {duration_text(match.tolerance_ns):>9} {num_rows - counts[name]:>9} "
        f"{counts[name]:>7}"
        for name, match in spec.streams.items()
    ]
    return "\n".join(lines)
