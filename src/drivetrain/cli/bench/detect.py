"""Where any series of numbers changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from drivetrain.bench.detect import Change
    from drivetrain.bench.detect.series import Series


@click.command()
@click.argument("file", metavar="SERIES", type=click.Path(path_type=Path))
@click.option("--column", default="", help="Only this column: its name, or its number among those that are measured.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, with the `change_points`.")
def command(file: Path, column: str, as_json: bool) -> None:
    """Find the points where the level of a series changes for good, or its slope.

    SERIES is CSV with or without a header (comma, semicolon or tab), one number a line, or JSON. Columns that say when
    (by name, or a first one of words or that only grows) are not measured; without --column the first of the others is
    taken.

    Seasons, outliers, correlated noise, random walks and smooth curves are no changes. A series of independent noise is
    given any point at most once in 50 times; of others see the guide. Points within 5 values of either end are not
    found.

    Exit codes: 0 done, whether there are points or not · 65 no series.
    """
    import msgspec

    from drivetrain.bench.detect import changes
    from drivetrain.bench.detect.series import read_series
    from drivetrain.core.extras import require

    require("numpy", extra="data")
    series = read_series(file, column)
    if len(series) > 1:
        others = ", ".join(one.name or f"column {at}" for at, one in enumerate(series[1:], start=2))
        click.echo(f"the first of {len(series)} columns; others are {others}: --column", err=True)
    found = changes(series[0].values)
    click.echo(msgspec.json.encode(_json(series[0], found)).decode() if as_json else _text(series[0], found))


def _json(series: Series, found: tuple[Change, ...]) -> dict[str, Any]:
    return {
        "name": series.name,
        "num_values": len(series.values),
        "change_points": [change.index for change in found],
        "changes": [_change(series, change) for change in found],
    }


def _change(series: Series, change: Change) -> dict[str, Any]:
    return {
        "index": change.index,
        "label": series.labels[change.index] if series.labels else None,
        "kind": change.kind,
        "before": change.before,
        "after": change.after,
        "slope_before": change.slope_before,
        "slope_after": change.slope_after,
        "change_pct": change.change_pct,
        "low_pct": change.low_pct,
        "high_pct": change.high_pct,
        "confidence_pct": change.confidence_pct,
        "false_alarm": change.false_alarm,
        "num_before": change.num_before,
        "num_after": change.num_after,
    }


def _text(series: Series, found: tuple[Change, ...]) -> str:
    from drivetrain.bench.detect.words import change_text

    head = f"{series.name or 'series'}: {len(series.values):,} values, {len(found) or 'no'} change points"
    lines = [
        f"  {change.index:>6}  {f'{series.labels[change.index]}  ' if series.labels else ''}{change_text(change)}"
        for change in found
    ]
    return "\n".join([head if len(found) != 1 else head[:-1], *lines])
