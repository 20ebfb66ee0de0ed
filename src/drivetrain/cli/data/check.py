"""Logs and data sets are looked over."""

from __future__ import annotations

import click

from drivetrain.cli.data.targets import dataset_json, find_dataset, json_text
from drivetrain.core.errors import DataError


@click.command()
@click.argument("target", metavar="LOG|DATASET")
@click.option("--json", "as_json", is_flag=True, help="Print everything that was found as JSON.")
def command(target: str, as_json: bool) -> None:
    """Look for what is wrong: rates, gaps, offsets and poses of a log; every byte of a data set.

    Exit codes: 0 ok, or worth a warning · 65 a check failed.
    """
    from drivetrain.data import DataSet, health_table, open_log
    from drivetrain.data import check as check_log

    folder = find_dataset(target)
    if folder is not None:
        dataset = DataSet.open(folder, verify=True)
        click.echo(json_text(dataset_json(dataset)) if as_json else f"{folder} is whole")
        return
    report = check_log(open_log(target))
    click.echo(json_text(report.to_json()) if as_json else health_table(report))
    if report.verdict == "fail":
        failed = [finding for finding in report.findings if finding.verdict == "fail"]
        raise DataError(f"log {report.log} failed {len(failed)} of {len(report.findings)} checks: {failed[0].text}")
