"""The samples of a data set are parted anew."""

from __future__ import annotations

from typing import Literal

import click

from drivetrain.cli.data.targets import existing_dataset, json_text
from drivetrain.core.errors import UsageError


@click.command()
@click.argument("dataset")
@click.option("--by", type=click.Choice(["drive", "place", "time"]), required=True, help="What is kept together.")
@click.option("--held-out", default=0.2, show_default=True, help="Share that training never sees, about.")
@click.option("--gap", default="0s", show_default=True, help="Leave out training samples this near in time.")
@click.option("--margin", default=20.0, show_default=True, help="By place: leave out those this near, metres.")
@click.option("--seed", default=0, show_default=True, help="Of which drives or places are held out.")
@click.option("--allow-leaks", is_flag=True, help="Also where samples of both parts are alike.")
@click.option("--json", "as_json", is_flag=True, help="Print what was made as JSON.")
def command(
    dataset: str,
    by: Literal["drive", "place", "time"],
    held_out: float,
    gap: str,
    margin: float,
    seed: int,
    allow_leaks: bool,
    as_json: bool,
) -> None:
    """Part samples into train and held_out by drive, place or time, as a new version.

    Refused where samples of both parts are alike: nearer in time than --gap, or images that look the same.
    """
    from drivetrain.cli.options import duration_ns
    from drivetrain.core.units import NS_PER_S
    from drivetrain.data import SplitBy, split_samples

    try:
        how = SplitBy(by, held_out, seed=seed, margin_m=margin, gap_s=duration_ns("--gap", gap) / NS_PER_S)
    except ValueError as exc:
        raise UsageError(str(exc)) from exc
    opened = split_samples(existing_dataset(dataset, None), how, allow_leaks=allow_leaks)
    counts = opened.manifest.num_samples
    left_out = len(opened) - sum(counts.values())
    if as_json:
        click.echo(json_text({"version": opened.manifest.version, "num_samples": counts, "num_left_out": left_out}))
        return
    splits = ", ".join(f"{num} {name}" for name, num in counts.items())
    click.echo(f"version {opened.manifest.version}: {splits}, {left_out} left out")
