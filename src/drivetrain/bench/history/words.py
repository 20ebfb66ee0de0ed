"""Trends as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from drivetrain.bench.detect import Change
from drivetrain.bench.detect.words import change_text
from drivetrain.bench.history.commits import Commits
from drivetrain.bench.history.trends import Trend
from drivetrain.bench.values import value_text
from drivetrain.core.clock import utc_text

FindCommits = Callable[[str, str], Commits]


def trends_text(trends: Sequence[Trend], find_commits: FindCommits) -> str:
    """A line for each trend, and under it one for each change with the commits that made it."""
    lines = []
    for trend in trends:
        num = len(trend.points)
        last = trend.points[-1]
        lines.append(
            f"{trend.case}  {trend.metric}: {num} result{'s' if num != 1 else ''}, last "
            f"{value_text(last.value, trend.unit)} ({last.commit or 'no commit'})"
        )
        for change in trend.changes:
            lines += [f"  {line}" for line in change_lines(trend, change, find_commits)]
    return "\n".join(lines)


def change_lines(trend: Trend, change: Change, find_commits: FindCommits) -> list[str]:
    """What changed, when, and the commits that it is between."""
    before, after = trend.commits_around(change)
    found = find_commits(before, after)
    way = "better" if trend.is_better(change) else "worse"
    lines = [
        f"{way} from {utc_text(trend.points[change.index].at_ns)} on: {change_text(change, trend.unit)}",
        between_text(before, after, found),
    ]
    return lines + [f"  {commit}" for commit in found.newest]


def between_text(before: str, after: str, found: Commits) -> str:
    """Where the cause lies."""
    if found.num == 0:
        return f"measured twice at {after}: the machine or the measurement changed, not the code"
    num = "" if found.num is None else f", {found.num} commit{'s' if found.num != 1 else ''}"
    return f"between {before or 'no commit'} and {after or 'no commit'}{num}"
