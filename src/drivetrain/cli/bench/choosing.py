"""What the verbs are asked about: two commits, two files, the newest session, or a whole history."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from drivetrain.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drivetrain.bench.decide import CaseVerdict, Sides
    from drivetrain.bench.history.trends import Trend


def chosen_sides(before: str | None, after: str | None, history: str) -> Sides:
    """Both sides; what a history leaves out is told on stderr.

    Args:
      before: a commit or a file of results; None for whatever the newest session of each suite measured against.
      after: likewise; None for any commit that was measured against `before`.
      history: where results of commits are looked for.
    Raises:
      UsageError: one is a file and the other is not, or no session has measured both.
      DataError: there is no such history.
    """
    from drivetrain.bench.decide import newest_sides, sides_of
    from drivetrain.bench.history import open_history, skipped_text

    are_files = [Path(one).is_file() for one in (before, after) if one is not None]
    if before is not None and after is not None and all(are_files):
        readings = [open_history(one).read() for one in (before, after)]
        found = sides_of(readings[0].results, readings[1].results)
    elif any(are_files):
        raise UsageError("A and B must both be commits, or both be files of results")
    else:
        readings = [open_history(history).read()]
        found = newest_sides(readings[0].results, _commit(before), _commit(after))
    for reading in readings:
        if reading.skipped:
            click.echo(f"left out: {skipped_text(reading.skipped)}", err=True)
    if not found.pairs:
        raise UsageError(
            f"no session has measured {before or 'anything'} beside {after or 'the code that it is about'}",
            hint="sessions of their own make no pairs; measure both in turns: drivetrain bench run SUITE --against REF",
        )
    return found


def read_trends(address: str, suite: str = "") -> tuple[Sequence[Trend], dict[str, int]]:
    """The trends of a history, of one suite or all, and what was left out, which is told on stderr too.

    Raises: DataError or StoreError: it cannot be read.
    """
    from drivetrain.bench.history import open_history, skipped_text
    from drivetrain.bench.history.trends import trends_of
    from drivetrain.core.extras import require

    require("numpy", extra="data")
    found = open_history(address).read()
    if found.skipped:
        click.echo(f"left out: {skipped_text(found.skipped)}", err=True)
    return trends_of([one for one in found.results if suite in ("", one.suite)]), found.skipped


def verdicts_json(verdicts: Sequence[CaseVerdict], sides: Sides) -> dict[str, Any]:
    """What programs read; an end of an interval that is unknown is null."""
    return {"cases": verdicts, "missing": sides.missing, "added": sides.added}


def _commit(name: str | None) -> str:
    """How the results of a commit begin: its id where git knows the name, else the name itself."""
    if not name:
        return ""
    try:
        command = ["git", "rev-parse", "--verify", "--quiet", "--short=12", "--end-of-options", f"{name}^{{commit}}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return name
    return done.stdout.strip() or name
