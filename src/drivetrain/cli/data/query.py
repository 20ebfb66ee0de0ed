"""Samples of a data set that match a predicate."""

from __future__ import annotations

import click

from drivetrain.cli.data.targets import existing_dataset, json_text
from drivetrain.cli.tables import table
from drivetrain.core.errors import UsageError


@click.command()
@click.argument("dataset")
@click.argument("predicate")
@click.option("--columns", default="", help="Columns to show, with commas; by default those that the predicate names.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=0), help="Most samples to show.")
@click.option("--version", "version_id", help="Of the data set; the current one by default.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def command(dataset: str, predicate: str, columns: str, limit: int, version_id: str | None, as_json: bool) -> None:
    """Find samples by a PREDICATE over columns, slices and splits.

    For example "speed_m_per_s < 2 and num_pedestrians > 5", "'stop' in tags", or the name of a slice or split.
    """
    opened = existing_dataset(dataset, version_id)
    rows = opened.rows(predicate)
    known = opened.column_names
    named = [name.strip() for name in columns.split(",") if name.strip()]
    shown = named or [name for name in _names(predicate, opened.slices) if name in known] or ["split"]
    unknown = [name for name in shown if name not in known]
    if unknown:
        raise UsageError(f"--columns names {', '.join(unknown)}", hint=f"there are {', '.join(known)}")
    found = [{"key": opened.key(int(row)), **{n: opened.columns(int(row))[n] for n in shown}} for row in rows[:limit]]
    if as_json:
        answer = {"version": opened.manifest.version, "predicate": predicate, "num_samples": len(rows)}
        click.echo(json_text({**answer, "samples": found}))
        return
    if found:
        click.echo(table(list(found[0]), [[_cell(value) for value in row.values()] for row in found]))
    click.echo(f"{len(rows)} of {len(opened)} samples" + (f", {limit} shown" if len(rows) > limit else ""))


def _names(predicate: str, slices: dict[str, str]) -> list[str]:
    """Columns that a predicate names, itself or through slices; none for a split."""
    from drivetrain.data.predicate import names_in

    found: list[str] = []
    for name in names_in(predicate):
        found += _names(slices[name], slices) if name in slices else [name]
    return list(dict.fromkeys(found))


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
