"""Named predicates of a data set."""

from __future__ import annotations

import click

from drivetrain.cli.data.targets import existing_dataset, json_text
from drivetrain.core.errors import UsageError


@click.command()
@click.argument("dataset")
@click.argument("action", type=click.Choice(["list", "show", "add"]), default="list")
@click.argument("name", required=False)
@click.argument("predicate", required=False)
@click.option("--version", "version_id", help="Of the data set, for list and show; the current one by default.")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def command(
    dataset: str, action: str, name: str | None, predicate: str | None, version_id: str | None, as_json: bool
) -> None:
    """List the slices of a data set, show one, or add one: a NAME for a PREDICATE.

    A new slice makes a new version, in which its meaning does not change; slices may name each other.
    """
    from drivetrain.data import define_slice

    if action == "add":
        if not name or not predicate or version_id:
            raise UsageError(
                "add takes a NAME and a PREDICATE, and no --version", hint="slices DATASET add slow 'v < 2'"
            )
        try:
            opened = define_slice(existing_dataset(dataset, None), name, predicate)
        except ValueError as exc:
            raise UsageError(str(exc)) from exc
    else:
        opened = existing_dataset(dataset, version_id)
    if action == "show" and name not in opened.slices:
        raise UsageError(f"there is no slice {name!r}", hint=f"there are {', '.join(opened.slices) or 'none'}")
    wanted = [name] if name is not None and action != "list" else sorted(opened.slices)
    found = [{"name": each, "where": opened.slices[each], "num_samples": len(opened.rows(each))} for each in wanted]
    if as_json:
        click.echo(json_text({"version": opened.manifest.version, "slices": found}))
        return
    click.echo(f"version {opened.manifest.version}, {len(opened)} samples")
    for each in found:
        click.echo(f"  {each['name']:<20} {each['num_samples']:>8}  {each['where']}")
