"""What two data sets are like, compared by their stored statistics."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from drivetrain.cli.data.targets import existing_dataset, json_text

if TYPE_CHECKING:
    from drivetrain.data.sketch import Sketch

_NOTABLE = 0.1  # of the largest gap; below it two data sets are alike for most purposes


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--json", "as_json", is_flag=True, help="Print all numbers as JSON.")
def command(before: str, after: str, as_json: bool) -> None:
    """Say how far B's numbers are from A's, by statistics that `data check` stored; no sample is read.

    A and B are data sets, or JSON files of sketches, such as those of live traffic.
    """
    from dataclasses import asdict

    from drivetrain.data.statistics import compare_sketches

    known = [_sketches(target) for target in (before, after)]
    shifts = compare_sketches(*known)
    if as_json:
        click.echo(json_text({name: asdict(shift) for name, shift in shifts.items()}))
        return
    click.echo(f"{'number':<30} {'gap':>6} {'PSI':>7} {'median':>10} {'':2} {'':>10}")
    for name, shift in shifts.items():
        medians = [f"{sketches[name].quantile(0.5):>10.4g}" for sketches in known]
        mark = "  moved" if shift.largest_gap > _NOTABLE else ""
        click.echo(f"{name:<30} {shift.largest_gap:>6.3f} {shift.stability:>7.3f} {medians[0]} -> {medians[1]}{mark}")


def _sketches(target: str) -> dict[str, Sketch]:
    from drivetrain.data.statistics import read_sketches, statistics_file

    if target.endswith(".json"):
        return read_sketches(Path(target))
    return read_sketches(statistics_file(existing_dataset(target, None)))
