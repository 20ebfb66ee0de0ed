"""Why the steps of one trace take longer than those of another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from drivetrain.cli.profile.traces import find_traces, reading

if TYPE_CHECKING:
    from drivetrain.profile import Trace


@click.command()
@click.argument("before", metavar="BEFORE")
@click.argument("after", metavar="AFTER")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(before: str, after: str, as_json: bool) -> None:
    """Explain the difference in mean step time of two traces, in parts that sum to it.

    BEFORE and AFTER are traces as `drivetrain profile report` takes them, one each; of a run its first rank.
    """
    import msgspec

    from drivetrain.core.extras import require

    require("numpy", extra="profile")
    from drivetrain.profile.analyse import difference, spent
    from drivetrain.report.profile import diff_json, diff_text, distinct_names

    paths = [_one(before), _one(after)]
    names = distinct_names(paths)
    sides = [spent(_read(path)) for path in paths]
    found = difference(*sides)
    click.echo(msgspec.json.encode(diff_json(found, *names)).decode() if as_json else diff_text(found, *names))


def _read(path: Path) -> Trace:
    from drivetrain.profile import read_trace

    with reading([path]) as advance:
        return read_trace(path, advance=lambda num_bytes: advance(num_bytes, path.name))


def _one(target: str) -> Path:
    """The trace of a target, or the first of several, which is then said."""
    found = find_traces([target])
    if len(found) > 1:
        click.echo(f"{target}: the first of its {len(found)} traces, {found[0].name}", err=True)
    return found[0]
