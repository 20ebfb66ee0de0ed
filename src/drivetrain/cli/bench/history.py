"""What was measured so far, and where it changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from drivetrain.bench.history import DEFAULT

if TYPE_CHECKING:
    from drivetrain.bench.history.trends import Trend


@click.command()
@click.argument("address", metavar="[HISTORY]", default=DEFAULT)
@click.option("--suite", default="", help="Only this suite.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(address: str, suite: str, as_json: bool) -> None:
    """Say what was measured so far, where its level changed for good, and which commits lie between.

    Each metric of each case is a series of its own on each kind of machine. Commits are named where the working
    directory is in their repository.

    Exit codes: 0 read, whatever was left out · 65 no history · 74 the bucket does not answer.
    """
    import msgspec

    from drivetrain.bench.history.commits import commits_between
    from drivetrain.bench.history.words import trends_text
    from drivetrain.cli.bench.choosing import read_trends

    trends, skipped = read_trends(address, suite)
    if as_json:
        found = {"trends": [_json(trend) for trend in trends], "skipped": skipped}
        click.echo(msgspec.json.encode(found).decode())
    elif trends:
        click.echo(trends_text(trends, commits_between))
    else:
        click.echo(f"there are no results in {address}", err=True)


def _json(trend: Trend) -> dict[str, Any]:
    from drivetrain.bench.history.commits import commits_between

    changed = []
    for change in trend.changes:
        before, after = trend.commits_around(change)
        found = commits_between(before, after)
        changed.append(
            {
                "change": change,
                "is_better": trend.is_better(change),
                "commit_before": before,
                "commit_after": after,
                "num_commits": found.num,
                "commits": found.newest,
            }
        )
    return {
        "case": trend.case,
        "metric": trend.metric,
        "unit": trend.unit,
        "better": trend.better,
        "machine": trend.machine,
        "points": trend.points,
        "change_points": [change.index for change in trend.changes],
        "changes": changed,
    }
