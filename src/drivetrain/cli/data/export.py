"""One stream of a log becomes a file for other tools."""

from __future__ import annotations

from pathlib import Path

import click

from drivetrain.cli.data.targets import json_text
from drivetrain.core.errors import UsageError


@click.command()
@click.argument("log")
@click.argument("stream")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def command(log: str, stream: str, out: Path, as_json: bool) -> None:
    """Write one stream of a log as parquet: `t_ns`, and its values in columns.

    What exists is never overwritten, and a file appears only when it is whole. Images are no rows of a table: see
    `drivetrain data convert`.
    """
    from drivetrain.cli.progress import bar
    from drivetrain.core.units import bytes_text
    from drivetrain.data import export_stream, open_log

    if out.exists():
        raise UsageError(f"{out} exists already", hint="choose another name, or remove it first")
    opened = open_log(log)
    with bar("export", len(opened.streams.get(stream, ()))) as advance:
        num_rows = export_stream(opened, stream, out, on_progress=advance)
    size = out.stat().st_size
    told = {"path": str(out), "stream": stream, "num_rows": num_rows, "size_bytes": size}
    click.echo(json_text(told) if as_json else f"wrote {out}: {num_rows:,} rows, {bytes_text(size)}")
