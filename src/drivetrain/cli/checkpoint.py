"""A run's checkpoints: list, verify, export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from drivetrain.store import CheckpointManifest, Shelf


@click.group("checkpoint")
def command() -> None:
    """A run's checkpoints, in its folder or in the bucket where it keeps them.

    RUN is an id, the beginning of one, a path to a run's folder, or `latest`.
    """


@command.command("list")
@click.argument("run", metavar="RUN")
@click.option("--json", "as_json", is_flag=True, help="One JSON array of objects.")
def list_(run: str, as_json: bool) -> None:
    """List complete checkpoints, oldest first."""
    import msgspec

    shelf = _shelf(run)
    manifests = [shelf.manifest(step) for step in shelf.steps()]
    if as_json:
        click.echo(msgspec.json.encode([_plain(manifest) for manifest in manifests]).decode())
    elif manifests:
        click.echo(_table(manifests))
    else:
        click.echo(f"there are no checkpoints in {shelf.address}", err=True)


@command.command("verify")
@click.argument("run", metavar="RUN")
@click.option("--step", type=int, help="Only this one; else all.")
def verify(run: str, step: int | None) -> None:
    """Read checkpoints and compare every byte with their manifests."""
    from drivetrain.core.units import bytes_text
    from drivetrain.store import verify_checkpoint

    shelf = _shelf(run)
    for each in shelf.steps() if step is None else [_chosen(shelf, step)]:
        manifest = verify_checkpoint(shelf, each)
        click.echo(f"step {each}: whole, {bytes_text(manifest.size_bytes)}")


@command.command("export")
@click.argument("run", metavar="RUN")
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path), metavar="OUT.safetensors")
@click.option("--step", type=int, help="Which checkpoint; else the newest with finite weights.")
@click.option("--averaged", is_flag=True, help="Averaged weights in place of the last ones.")
@click.option("--force", is_flag=True, help="Write over OUT if it is there.")
def export(run: str, out: Path, step: int | None, averaged: bool, force: bool) -> None:
    """Write the weights into one safetensors file, under the names that the model gives them."""
    from drivetrain.core.units import bytes_text
    from drivetrain.store.export import export_weights

    shelf = _shelf(run)
    chosen = _chosen(shelf, step)
    export_weights(shelf, chosen, out, averaged=averaged, force=force)
    click.echo(f"{out}: step {chosen}, {bytes_text(out.stat().st_size)}")


def _shelf(run: str) -> Shelf:
    from drivetrain.store import open_run, shelf_of

    return shelf_of(open_run(run).checkpoints)


def _chosen(shelf: Shelf, step: int | None) -> int:
    from drivetrain.core.errors import UsageError

    steps = shelf.steps()
    if step is None:
        steps = [each for each in steps if shelf.manifest(each).finite]
        if steps:
            return steps[-1]
    elif step in steps:
        return step
    wanted = "with finite weights" if step is None else f"of step {step}"
    raise UsageError(
        f"{shelf.address} has no checkpoint {wanted}", hint=f"there are those of steps {steps}" if steps else ""
    )


def _plain(manifest: CheckpointManifest) -> dict[str, object]:
    names = ("step", "made_at_ns", "tier", "world_size", "finite", "size_bytes", "metrics", "format")
    return {name: getattr(manifest, name) for name in names}


def _table(manifests: list[CheckpointManifest]) -> str:
    from drivetrain.core.clock import utc_text
    from drivetrain.core.units import bytes_text

    rows = [("step", "made", "exact", "ranks", "finite", "size", "metrics")]
    for one in manifests:
        metrics = " ".join(f"{name}={value:.6g}" for name, value in one.metrics.items())
        finite = "yes" if one.finite else "no"
        size = bytes_text(one.size_bytes)
        rows.append((str(one.step), utc_text(one.made_at_ns), one.tier, str(one.world_size), finite, size, metrics))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    align = (">", "<", "<", ">", "<", ">", "<")
    return "\n".join(
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, align, widths, strict=True)).rstrip()
        for row in rows
    )
