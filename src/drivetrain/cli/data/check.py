"""Logs and data sets are looked over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from drivetrain.cli.data.targets import dataset_json, find_dataset, json_text
from drivetrain.core.errors import DataError, StoreError

if TYPE_CHECKING:
    from drivetrain.data import DataSet


@click.command()
@click.argument("target", metavar="LOG|DATASET")
@click.option("--thresholds", type=click.Path(path_type=Path), help="A TOML file: from where on something is wrong.")
@click.option("--looks", type=click.IntRange(0, 1000), help="Pairs of frames and sweeps to decode; 4 unless said.")
@click.option("--html", type=click.Path(path_type=Path), help="Write a page with pictures, for any browser.")
@click.option("--json", "as_json", is_flag=True, help="Print everything that was found as JSON.")
def command(target: str, thresholds: Path | None, looks: int | None, html: Path | None, as_json: bool) -> None:
    """Look for what is wrong with a log: stamps, clocks, calibration, values, images, labels; every byte of a data set.

    Of a data set it also stores statistics, which `data compare` reads.

    Exit codes: 0 ok, or worth a warning · 65 a check failed.
    """
    from drivetrain.cli.progress import bar
    from drivetrain.data import DataSet, health_table, load_thresholds, open_log
    from drivetrain.data import check as check_log
    from drivetrain.data.health.looks import num_to_read
    from drivetrain.data.health.page import health_page
    from drivetrain.data.health.run import NUM_LOOKS
    from drivetrain.store import publish_bytes

    folder = find_dataset(target)
    if folder is not None:
        dataset = DataSet.open(folder, verify=True)
        click.echo(json_text(dataset_json(dataset)) if as_json else f"{folder} is whole")
        _remember(dataset)
        return
    limits = load_thresholds(thresholds) if thresholds else None
    log, num_looks = open_log(target), NUM_LOOKS if looks is None else looks
    with bar("check", num_to_read(log, num_looks)) as advance:
        report = check_log(log, thresholds=limits, num_looks=num_looks, on_progress=advance)
    click.echo(json_text(report.to_json()) if as_json else health_table(report))
    if html is not None:
        publish_bytes(html, health_page(log, report).encode())
        click.echo(f"wrote {html}", err=True)
    if report.verdict == "fail":
        failed = [finding for finding in report.findings if finding.verdict == "fail"]
        what = f"{failed[0].stream}: {failed[0].text}"
        raise DataError(f"log {report.log} failed {len(failed)} of {len(report.findings)} checks: {what}")


def _remember(dataset: DataSet) -> None:
    """Store statistics beside the data set, once a version; where that cannot be written to, say so and go on."""
    from drivetrain.cli.progress import bar
    from drivetrain.data.statistics import NUM_LOOKED_AT, sketches_of, statistics_file, write_sketches

    file = statistics_file(dataset)
    if file.exists():
        return
    with bar("statistics", min(NUM_LOOKED_AT, len(dataset))) as advance:
        sketches = sketches_of(dataset, on_progress=advance)
    try:
        write_sketches(file, sketches)
    except StoreError as exc:
        click.echo(f"statistics are not stored: {exc.message}", err=True)
