"""What is in a log or a data set, as text or a picture."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from drivetrain.cli.data.targets import dataset_json, dataset_text, find_dataset, json_text
from drivetrain.core.errors import SampleError

if TYPE_CHECKING:
    from drivetrain.data import Log, Stream
    from drivetrain.data.log import Message


@click.command()
@click.argument("target", metavar="LOG|DATASET")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option(
    "--png", type=click.Path(path_type=Path), help="Write a contact sheet: images, and labels where there are."
)
def command(target: str, as_json: bool, png: Path | None) -> None:
    """Say what is in a log (its streams) or a data set (its splits, inputs and counts)."""
    from drivetrain.data import DataSet, contact_sheet, encode_png, log_sheet, open_log
    from drivetrain.store import publish_bytes

    folder = find_dataset(target)
    if folder is not None:
        dataset = DataSet.open(folder)
        click.echo(json_text(dataset_json(dataset)) if as_json else dataset_text(dataset))
        picture = contact_sheet(dataset) if png else None
    else:
        log = open_log(target)
        click.echo(json_text(_log_json(log)) if as_json else _log_text(log))
        picture = log_sheet(log) if png else None
    if png is not None and picture is not None:
        publish_bytes(png, encode_png(picture))
        click.echo(f"wrote {png}", err=True)


def _log_json(log: Log) -> dict[str, object]:
    streams = {
        name: {
            "kind": stream.kind,
            "num_messages": len(stream),
            "num_listed": stream.num_listed,
            "rate_hz": round(stream.rate_hz, 3),
            "first_ns": int(stream.t_ns[0]) if len(stream) else None,
            "last_ns": int(stream.t_ns[-1]) if len(stream) else None,
            "fields": list(stream.fields),
            "schema": _schema(stream),
        }
        for name, stream in sorted(log.streams.items())
    }
    return {
        "log": log.name,
        "source": log.source,
        "streams": streams,
        "intrinsics": {name: asdict(camera) for name, camera in log.intrinsics.items()},
        "classes": {str(number): name for number, name in log.class_names.items()},
        "notes": list(log.notes),
    }


def _log_text(log: Log) -> str:
    lines = [f"{log.name} ({log.source})", f"  {'stream':<28} {'kind':<13} {'messages':>9} {'rate':>10}"]
    lines += [
        f"  {name:<28} {stream.kind:<13} {len(stream):>9} {stream.rate_hz:>7.2f} Hz  {_schema(stream)}".rstrip()
        for name, stream in sorted(log.streams.items())
    ]
    lines += [f"  {name}: {lens.width}x{lens.height} pixels" for name, lens in log.intrinsics.items()]
    lines += [f"note: {note}" for note in log.notes]
    return "\n".join(lines)


def _schema(stream: Stream[object]) -> str:
    """Of a stream of messages, the type of the first one; empty for others, and where it cannot be read."""
    if stream.kind != "message" or not len(stream):
        return ""
    try:
        message = cast("Message", stream.read(0))
    except SampleError:
        return ""
    return message.schema or f"{message.encoding} without a schema"
