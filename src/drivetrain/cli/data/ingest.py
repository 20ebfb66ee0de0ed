"""Logs become data sets."""

from __future__ import annotations

from typing import Literal

import click

from drivetrain.cli.data.targets import dataset_folder, dataset_json, dataset_text, json_text
from drivetrain.cli.data.workers import how, worker_options
from drivetrain.cli.options import duration_ns, width_and_height
from drivetrain.core.errors import UsageError


@click.command()
@click.argument("log")
@click.option("--out", required=True, help="Name of the new data set, or a path (with a slash) to its folder.")
@click.option("--size", default="256x144", show_default=True, help="Width and height of stored images, pixels.")
@click.option("--tolerance", default="60ms", show_default=True, help="Most time between a frame and its sweep.")
@worker_options
@click.option("--json", "as_json", is_flag=True, help="Print the new data set's manifest, and the stages.")
def command(
    log: str,
    out: str,
    size: str,
    tolerance: str,
    on: Literal["local", "ray"],
    address: str,
    threads: int | None,
    memory: str,
    stages: bool,
    as_json: bool,
) -> None:
    """Make a data set of a log: join by time, project labels, resize, write shards.

    What exists is never overwritten. Finished pieces are kept under `cache/` in the home, so that a run that was
    interrupted goes on where it was; that folder may be removed when nothing runs.
    """
    from drivetrain.cli.progress import bar
    from drivetrain.data import DataSet, labelled_frames, open_log
    from drivetrain.data.pipeline import run, stage_table
    from drivetrain.store import make_home

    width_height, tolerance_ns = width_and_height("--size", size), duration_ns("--tolerance", tolerance)
    workers = how(on, address, threads, memory)
    folder = dataset_folder(out)
    if folder.exists():
        raise UsageError(f"{folder} exists already", hint="choose another --out, or remove it first")
    make_home()
    opened = open_log(log)
    pipeline = labelled_frames(opened if on == "local" else log, folder, size=width_height, tolerance_ns=tolerance_ns)
    with bar("data set", opened.num_frames) as advance:
        outcome = run(pipeline, workers, what=f"frames of log {opened.name}", on_progress=advance)
    dataset = outcome.made
    assert isinstance(dataset, DataSet)  # what the end of this pipeline gives
    if as_json:
        click.echo(json_text({**dataset_json(dataset), "stages": outcome.stages.to_json()}))
        return
    click.echo(dataset_text(dataset))
    if stages:
        click.echo(stage_table(outcome.stages))
