"""Logs become MCAP."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from drivetrain.cli.data.targets import json_text
from drivetrain.core.errors import UsageError
from drivetrain.core.units import bytes_text

if TYPE_CHECKING:
    from drivetrain.data import Converted


@click.command()
@click.argument("log")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def command(log: str, out: Path, as_json: bool) -> None:
    """Write a log as MCAP, in the types of ROS 2 and Foxglove: OUT ends in .mcap.

    Images stay the JPEG bytes that were recorded. What exists is never overwritten.
    """
    from drivetrain.cli.progress import bar
    from drivetrain.data import convert, num_to_convert, open_log

    if out.suffix != ".mcap":
        raise UsageError(f"OUT is {str(out)!r}", hint="MCAP is what is written: end the name in .mcap")
    if out.exists():
        raise UsageError(f"{out} exists already", hint="choose another name, or remove it first")
    opened = open_log(log)
    with bar("convert", num_to_convert(opened)) as advance:
        converted = convert(opened, out, on_progress=advance)
    for note in opened.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(json_text(_json(converted)) if as_json else _text(converted))


def _json(converted: Converted) -> dict[str, object]:
    return {
        "path": str(converted.path),
        "num_streams": converted.num_streams,
        "num_messages": converted.num_messages,
        "num_bytes": converted.num_bytes,
        "encoded": list(converted.encoded),
        "left_out": {name: {"num_messages": n, "first": why} for name, (n, why) in converted.left_out.items()},
    }


def _text(converted: Converted) -> str:
    lines = [
        f"wrote {converted.path}",
        f"  {converted.num_messages} messages of {converted.num_streams} streams, {bytes_text(converted.num_bytes)}",
    ]
    if converted.encoded:
        lines.append(f"  encoded as JPEG at quality 95, as the log has no JPEGs: {', '.join(converted.encoded)}")
    lines += [f"  left out {n} of {name}: {why}" for name, (n, why) in converted.left_out.items()]
    return "\n".join(lines)
