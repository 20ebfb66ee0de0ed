"""Samples that are alike on both sides of a split."""

from __future__ import annotations

from dataclasses import asdict

import click

from drivetrain.cli.data.targets import existing_dataset, json_text
from drivetrain.core.errors import DataError
from drivetrain.core.units import NS_PER_S, count_text


@click.command()
@click.argument("dataset")
@click.option("--gap", default="1s", show_default=True, help="Frames of one drive nearer in time than this leak.")
@click.option("--bits", default=2, show_default=True, type=click.IntRange(0, 16), help="Images this alike leak.")
@click.option("--json", "as_json", is_flag=True, help="Print all that was found as JSON.")
def command(dataset: str, gap: str, bits: int, as_json: bool) -> None:
    """Look for samples of one split that come back in another: near in time, or images that look the same.

    Images are compared by hashes of 64 bits. Exit codes: 0 none · 65 some leak.
    """
    from drivetrain.cli.options import duration_ns
    from drivetrain.data.leaks import find_leaks, leak_text

    opened = existing_dataset(dataset, None)
    leaks = find_leaks(opened, gap_s=duration_ns("--gap", gap) / NS_PER_S, most_bits=bits)
    if as_json:
        click.echo(json_text({"version": opened.manifest.version, "leaks": [asdict(leak) for leak in leaks]}))
    else:
        for leak in leaks[:10]:
            pair = f"{leak.first} ({leak.splits[0]}) and {leak.second} ({leak.splits[1]})"
            click.echo(f"{leak.kind.replace('_', ' ')}: {pair}, {leak_text(leak)}")
        if not leaks:
            click.echo("no sample of one split comes back in another")
    if leaks:
        raise DataError(
            f"{count_text(len(leaks), 'pair')} of samples in different splits of {opened.path} are alike",
            hint="split by drive or place, or leave a gap in time between the splits",
        )
