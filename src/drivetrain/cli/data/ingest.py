"""Logs become data sets."""

from __future__ import annotations

import click

from drivetrain.cli.data.targets import dataset_folder, dataset_json, dataset_text, json_text
from drivetrain.cli.options import duration_ns, width_and_height
from drivetrain.core.errors import UsageError


@click.command()
@click.argument("log")
@click.option("--out", required=True, help="Name of the new data set, or a path (with a slash) to its folder.")
@click.option("--size", default="256x144", show_default=True, help="Width and height of stored images, pixels.")
@click.option("--tolerance", default="60ms", show_default=True, help="Most time between a frame and its sweep.")
@click.option("--json", "as_json", is_flag=True, help="Print the new data set's manifest.")
def command(log: str, out: str, size: str, tolerance: str, as_json: bool) -> None:
    """Make a data set of a log: join by time, project labels, resize, write shards.

    What exists is never overwritten.
    """
    from drivetrain.cli.progress import bar
    from drivetrain.data import build_dataset, open_log

    width, height = width_and_height("--size", size)
    tolerance_ns = duration_ns("--tolerance", tolerance)
    folder = dataset_folder(out)
    if folder.exists():
        raise UsageError(f"{folder} exists already", hint="choose another --out, or remove it first")
    opened = open_log(log)
    with bar("data set", opened.num_frames) as advance:
        dataset = build_dataset(opened, folder, size=(width, height), tolerance_ns=tolerance_ns, on_progress=advance)
    click.echo(json_text(dataset_json(dataset)) if as_json else dataset_text(dataset))
