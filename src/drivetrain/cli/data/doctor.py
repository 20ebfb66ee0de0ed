"""A loader is watched at work."""

from __future__ import annotations

import time

import click

from drivetrain.cli.data.targets import dataset_folder, find_dataset, json_text
from drivetrain.cli.options import duration_ns, width_and_height
from drivetrain.core.errors import UsageError
from drivetrain.core.units import NS_PER_S


@click.command()
@click.argument("dataset")
@click.option("--batch", type=click.IntRange(min=1), default=8, show_default=True, help="Samples in a batch.")
@click.option("--threads", type=click.IntRange(min=0), default=2, show_default=True, help="Threads of the loader.")
@click.option("--size", help="Width and height of images in batches, pixels; as stored by default.")
@click.option("--step", default="0s", show_default=True, help="How long a training step takes, pretended.")
@click.option("--batches", type=click.IntRange(min=1), default=32, show_default=True, help="Batches to measure.")
@click.option("--json", "as_json", is_flag=True, help="Print everything that was found as JSON.")
def command(dataset: str, batch: int, threads: int, size: str | None, step: str, batches: int, as_json: bool) -> None:
    """Find out whether a loader keeps up with training, which stage holds it back, and what to change.

    DATASET may be the URL of one in a bucket. For a real training step use `dt.data.diagnose` in Python.
    """
    from drivetrain.cli.progress import bar
    from drivetrain.data import ImageSize, Loader, diagnose

    step_s = duration_ns("--step", step) / NS_PER_S if step != "0s" else 0.0
    place = dataset if "://" in dataset else find_dataset(dataset) or dataset_folder(dataset)
    try:
        resized = ImageSize(*width_and_height("--size", size)) if size else None
    except ValueError as exc:
        raise UsageError(f"--size {size}: {exc}") from exc
    loader = Loader(place, global_batch=batch, threads=threads, size=resized)
    done = 0
    with bar("batches", 2 * batches) as advance:

        def use(_: object) -> None:
            nonlocal done
            time.sleep(step_s)
            done += 1
            advance(done, "")

        found = diagnose(loader, use, num_batches=batches)
    click.echo(json_text(found.to_json()) if as_json else found.to_text())
