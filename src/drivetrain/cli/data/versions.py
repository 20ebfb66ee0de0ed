"""The versions of a data set."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from drivetrain.cli.data.targets import existing_dataset, json_text

if TYPE_CHECKING:
    from drivetrain.data import Manifest
    from drivetrain.data.manifest import Step


@click.command()
@click.argument("dataset")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def command(dataset: str, as_json: bool) -> None:
    """List the versions of a data set, first to last, with what was done to make each."""
    from drivetrain.data import list_versions

    versions = list_versions(existing_dataset(dataset, None).path)
    if as_json:
        click.echo(json_text([_json(m, before) for before, m in zip([None, *versions], versions, strict=False)]))
        return
    for before, manifest in zip([None, *versions], versions, strict=False):
        splits = ", ".join(f"{num} {split}" for split, num in manifest.num_samples.items())
        click.echo(f"{manifest.version}  {splits}  {_what(manifest, before)}")


def _json(manifest: Manifest, before: Manifest | None) -> dict[str, object]:
    return {
        "version": manifest.version,
        "parent": manifest.parent or None,
        "num_samples": manifest.num_samples,
        "steps": [asdict(step) for step in _new_steps(manifest, before)],
        "inputs": manifest.inputs,
    }


def _what(manifest: Manifest, before: Manifest | None) -> str:
    told = []
    for step in _new_steps(manifest, before):
        settings = ", ".join(f"{name} {value}" for name, value in step.settings.items() if value not in (None, "", []))
        told.append(f"{step.op} ({settings})" if before is not None and settings else step.op)
    return ", ".join(told)


def _new_steps(manifest: Manifest, before: Manifest | None) -> tuple[Step, ...]:
    return manifest.steps[len(before.steps) if before is not None else 0 :]
