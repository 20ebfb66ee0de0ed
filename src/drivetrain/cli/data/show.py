"""What is in a log or a data set, as text or a picture."""

from __future__ import annotations

from pathlib import Path

import click

from drivetrain.cli.data.logs import log_json, log_text
from drivetrain.cli.data.targets import dataset_json, dataset_text, find_dataset, json_text


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
        click.echo(json_text(log_json(log)) if as_json else log_text(log))
        picture = log_sheet(log) if png else None
    if png is not None and picture is not None:
        publish_bytes(png, encode_png(picture))
        click.echo(f"wrote {png}", err=True)
