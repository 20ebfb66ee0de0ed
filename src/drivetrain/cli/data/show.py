"""What is in a log or a data set, as text or a picture."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click

from drivetrain.cli.data.logs import log_json, log_text
from drivetrain.cli.data.targets import dataset_json, dataset_text, find_dataset, json_text
from drivetrain.core.errors import UsageError


@click.command()
@click.argument("target", metavar="LOG|DATASET")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option(
    "--png", type=click.Path(path_type=Path), help="Write a contact sheet: images, and labels where there are."
)
@click.option("--sample", help="With --png, of a data set: draw the sample with this key instead.")
@click.option("--frame", type=int, help="With --png, of a log: draw this frame instead, with points and boxes.")
def command(target: str, as_json: bool, png: Path | None, sample: str | None, frame: int | None) -> None:
    """Say what is in a log (its streams) or a data set (its splits, inputs and counts), or draw it."""
    from drivetrain.data import DataSet, contact_sheet, encode_png, log_sheet, open_log
    from drivetrain.store import publish_bytes

    folder = find_dataset(target)
    if sample is not None or frame is not None:
        _draw_one(target, folder, png, sample, frame)
        return
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


def _draw_one(target: str, folder: Path | None, png: Path | None, sample: str | None, frame: int | None) -> None:
    """One sample of a data set, or one frame of a log, as a picture; a sample's row as text."""
    from drivetrain.data import DataSet, encode_png, open_log
    from drivetrain.data.drawing import draw_frame, draw_sample
    from drivetrain.store import publish_bytes

    if (sample is not None) != (folder is not None) or (frame is not None and png is None):
        raise UsageError("--sample KEY is for a data set, --frame NUMBER --png FILE for a log")
    if folder is None:
        picture = draw_frame(open_log(target), cast(int, frame))
    else:
        dataset = DataSet.open(folder)
        row = dataset.row_of(cast(str, sample))
        click.echo(json_text({"key": sample, **dataset.columns(row)}))
        if png is None:
            return
        picture = draw_sample(dataset, row)
    publish_bytes(cast(Path, png), encode_png(picture))
    click.echo(f"wrote {png}", err=True)
