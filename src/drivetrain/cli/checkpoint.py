"""A run's checkpoints: list, verify, export."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    """List complete checkpoints, oldest first, with what is wrong with those whose manifest is damaged."""
    import msgspec

    shelf = _shelf(run)
    found = list(_judged(shelf, shelf.steps(), shelf.manifest))
    if as_json:
        click.echo(msgspec.json.encode([_plain(*each) for each in found]).decode())
    elif found:
        click.echo(_table(found))
    else:
        click.echo(f"there are no checkpoints in {shelf.address}", err=True)


@command.command("verify")
@click.argument("run", metavar="RUN")
@click.option("--step", type=int, help="Only this one; else all.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array of objects.")
def verify(run: str, step: int | None, as_json: bool) -> None:
    """Read checkpoints and compare every byte with their manifests; the exit code is 74 if any is damaged."""
    import msgspec

    from drivetrain.core.errors import CheckpointIncomplete
    from drivetrain.core.units import bytes_text
    from drivetrain.store import verify_checkpoint

    shelf = _shelf(run)
    steps = shelf.steps() if step is None else [_chosen(shelf, step)]
    found = []
    for each, looked in _judged(shelf, steps, lambda one: verify_checkpoint(shelf, one)):
        found.append((each, looked))
        if not as_json:
            text = f"damaged: {looked}" if isinstance(looked, str) else f"whole, {bytes_text(looked.size_bytes)}"
            click.echo(f"step {each}: {text}")
    if as_json:
        click.echo(msgspec.json.encode([_plain(*each) for each in found]).decode())
    if any(isinstance(looked, str) for _, looked in found):
        click.get_current_context().exit(CheckpointIncomplete.exit_code)


@command.command("export")
@click.argument("run", metavar="RUN")
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path), metavar="OUT.safetensors")
@click.option("--step", type=int, help="Which checkpoint; else the newest readable one with finite weights.")
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


def _judged(
    shelf: Shelf, steps: list[int], look: Callable[[int], CheckpointManifest]
) -> Iterator[tuple[int, CheckpointManifest | str]]:
    """Each step with its manifest, or with what is damaged; without those deleted meanwhile."""
    from drivetrain.core.errors import CheckpointIncomplete

    for step in steps:
        try:
            yield step, look(step)
        except CheckpointIncomplete as exc:
            if step in shelf.steps():
                yield step, exc.message.removeprefix(f"checkpoint of step {step}: ")


def _chosen(shelf: Shelf, step: int | None) -> int:
    from drivetrain.core.errors import UsageError

    steps = shelf.steps()
    if step is None:
        for each, looked in _judged(shelf, steps[::-1], shelf.manifest):
            if isinstance(looked, str):
                click.echo(f"step {each} is passed over, damaged: {looked}", err=True)
            elif looked.finite:
                return each
        raise UsageError(f"{shelf.address} has no readable checkpoint with finite weights")
    if step in steps:
        return step
    raise UsageError(
        f"{shelf.address} has no checkpoint of step {step}", hint=f"there are those of steps {steps}" if steps else ""
    )


def _plain(step: int, looked: CheckpointManifest | str) -> dict[str, object]:
    if isinstance(looked, str):
        return {"step": step, "damaged": looked}
    names = ("step", "made_at_ns", "tier", "world_size", "finite", "size_bytes", "metrics", "format")
    return {name: getattr(looked, name) for name in names}


def _table(found: list[tuple[int, CheckpointManifest | str]]) -> str:
    """A line each; what is damaged needs no columns."""
    whole = [looked for _, looked in found if not isinstance(looked, str)]
    heading, *rows = _lines(whole)
    lines = iter(rows)
    width = max(len("step"), *(len(str(step)) for step, _ in found))
    told = [f"{step:>{width}}  damaged: {looked}" if isinstance(looked, str) else next(lines) for step, looked in found]
    return "\n".join([heading, *told] if whole else told)


def _lines(manifests: list[CheckpointManifest]) -> list[str]:
    from drivetrain.core.clock import utc_text
    from drivetrain.core.columns import aligned
    from drivetrain.core.units import bytes_text

    rows = [("step", "made", "exact", "ranks", "finite", "size", "metrics")]
    for one in manifests:
        metrics = " ".join(f"{name}={value:.6g}" for name, value in one.metrics.items())
        finite = "yes" if one.finite else "no"
        size = bytes_text(one.size_bytes)
        rows.append((str(one.step), utc_text(one.made_at_ns), one.tier, str(one.world_size), finite, size, metrics))
    return aligned(rows, (0, 3, 5))
