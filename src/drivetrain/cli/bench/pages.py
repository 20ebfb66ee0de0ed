"""A history as pages: what bench found and figures draw, in the shell of our reports; pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from drivetrain import __version__
from drivetrain.bench.detect import Change
from drivetrain.bench.detect.words import levels_text
from drivetrain.bench.history.commits import Commits
from drivetrain.bench.history.trends import Point, Trend
from drivetrain.bench.history.words import between_text
from drivetrain.bench.values import value_text
from drivetrain.core.clock import utc_text
from drivetrain.core.units import count_text
from drivetrain.figures import Mark, Markup, Measurement, element, join, trend_chart
from drivetrain.report.html import page, section, table

FindCommits = Callable[[str, str], Commits]
_MOST_POINTS = 2000
_MOST_NEWS = 50
_SCALES = {"s": ((1.0, 1.0, "s"), (1e-3, 1e3, "ms"), (1e-6, 1e6, "us"), (0.0, 1e9, "ns"))}
_BYTES = ((2.0**30, 2.0**-30, "GiB"), (2.0**20, 2.0**-20, "MiB"), (2.0**10, 2.0**-10, "KiB"), (0.0, 1.0, "bytes"))


def site_pages(
    trends: Sequence[Trend], find_commits: FindCommits, *, skipped: Mapping[str, int], as_of_ns: int
) -> dict[str, str]:
    """File name -> HTML: `index.html`, and a page for each suite.

    Args:
      trends: of the whole history.
      find_commits: what lies between two commits.
      skipped: what could not be read, and how often.
      as_of_ns: when the history was read, UTC since the epoch.
    """
    by_suite: dict[str, list[Trend]] = defaultdict(list)
    for trend in trends:
        by_suite[trend.suite].append(trend)
    foot = _footer(skipped, as_of_ns)
    pages = {suite: _suite_page(suite, of_suite, find_commits, foot) for suite, of_suite in by_suite.items()}
    return {
        "index.html": _index_page(by_suite, find_commits, foot),
        **{f"suite-{suite}.html": text for suite, text in pages.items()},
    }


def _index_page(by_suite: Mapping[str, Sequence[Trend]], find_commits: FindCommits, foot: Markup) -> str:
    trends = [trend for of_suite in by_suite.values() for trend in of_suite]
    rows = [
        (
            element("a", suite, href=f"suite-{suite}.html"),
            str(len({trend.case for trend in of_suite})),
            str(max(len(trend.points) for trend in of_suite)),
            str(sum(len(trend.changes) for trend in of_suite)),
            utc_text(max(trend.points[-1].at_ns for trend in of_suite)),
        )
        for suite, of_suite in sorted(by_suite.items())
    ]
    columns = ("suite", "#cases", "#results each, at most", "#changes", "last measured")
    return page(
        "Benchmarks · Drivetrain",
        _head("Benchmarks", f"{count_text(len(by_suite), 'suite')} · {len(trends):,} series"),
        section(
            "What changed",
            _news(trends, find_commits),
            note="newest first; of 50 series of plain noise at most one would be here",
        ),
        section("Suites", table(columns, rows, caption="Suites and what is known of them")),
        foot,
    )


def _suite_page(suite: str, trends: Sequence[Trend], find_commits: FindCommits, foot: Markup) -> str:
    by_case: dict[str, list[tuple[int, Trend]]] = defaultdict(list)
    for number, trend in enumerate(trends):
        by_case[trend.case].append((number, trend))
    sections = [
        section(
            case.partition("/")[2],
            *(_changes(trend, find_commits) for _, trend in of_case if trend.changes),
            element("div", *(_chart(number, trend) for number, trend in of_case), class_="charts"),
            table(
                ("metric", "#last", "#range of its samples", "#results", "commit", "measured on"),
                [_last_row(trend) for _, trend in of_case],
                caption=f"The last results of {case}",
            ),
        )
        for case, of_case in by_case.items()
    ]
    back = join(element("a", "all suites", href="index.html"), f" · {count_text(len(by_case), 'case')}")
    return page(f"{suite} · Drivetrain", _head(suite, back), *sections, foot)


def _head(title: str, under: str) -> Markup:
    switch = element("button", "Theme", class_="theme", type="button", hidden="", aria_label="switch light and dark")
    return join(element("div", element("h1", title), switch, class_="top"), element("p", under, class_="under"))


def _news(trends: Sequence[Trend], find_commits: FindCommits) -> Markup:
    found = [(trend.points[change.index].at_ns, trend, change) for trend in trends for change in trend.changes]
    if not found:
        return element("p", "Nothing has changed for good.")
    newest = sorted(found, key=lambda one: one[0], reverse=True)[:_MOST_NEWS]
    return element(
        "ul", *(_finding(trend, change, find_commits, with_case=True) for _, trend, change in newest), class_="findings"
    )


def _changes(trend: Trend, find_commits: FindCommits) -> Markup:
    items = [_finding(trend, change, find_commits, with_case=False) for change in reversed(trend.changes)]
    return element("ul", *items, class_="findings")


def _finding(trend: Trend, change: Change, find_commits: FindCommits, *, with_case: bool) -> Markup:
    before, after = trend.commits_around(change)
    found = find_commits(before, after)
    name = f"{trend.case} {trend.metric}" if with_case else trend.metric
    levels = levels_text(change, trend.unit)
    interval = "" if change.low_pct is None else f" ({change.low_pct:+.1f} to {change.high_pct:+.1f} %)"
    day = utc_text(trend.points[change.index].at_ns)
    return element(
        "li",
        element("span", _percent(change), class_="share" if trend.is_better(change) else "share alarm"),
        element(
            "div",
            element("p", element("b", name), f": {levels}{interval}, from {day} on"),
            element("p", between_text(before, after, found), class_="why"),
            *(element("p", commit, class_="mono") for commit in found.newest),
        ),
    )


def _percent(change: Change) -> str:
    if change.kind == "trend":
        return "slope"
    return "sign" if change.change_pct is None else f"{change.change_pct:+.1f} %"


def _chart(number: int, trend: Trend) -> Markup:
    points = trend.points[-_MOST_POINTS:]
    offset = len(trend.points) - len(points)
    scale, unit = _scale(trend.unit, points)
    marks = [
        Mark(change.index - offset, change.before, change.after, _percent(change), trend.is_better(change))
        for change in trend.changes
        if change.index > offset
    ]
    measurements = [Measurement(one.value, one.low, one.high, utc_text(one.at_ns)[:10]) for one in points]
    title = f"{trend.metric}, {unit}" if unit else trend.metric
    where = f" on {trend.machine}" if trend.machine else ""
    picture = trend_chart(
        measurements, marks, key=f"trend-{number}", title=f"{trend.case}: {title}{where}", scale=scale
    )
    note = element("span", f" {trend.better} is better{where}", class_="note")
    return element("div", element("h3", title, note), picture)


def _last_row(trend: Trend) -> tuple[str, ...]:
    last = trend.points[-1]
    return (
        trend.metric,
        value_text(last.value, trend.unit),
        f"{value_text(last.low, trend.unit)} to {value_text(last.high, trend.unit)}" if last.high > last.low else "–",
        str(len(trend.points)),
        re.sub(" with uncommitted changes", " +", last.commit) or "–",
        utc_text(last.at_ns),
    )


def _scale(unit: str, points: Sequence[Point]) -> tuple[float, str]:
    """What to multiply values by so that their numbers at an axis are short, and the unit that they then have."""
    size = max(abs(point.high) for point in points)
    steps = _SCALES.get(unit) or (_BYTES if unit == "bytes" else ((0.0, 1.0, unit),))
    return next((factor, name) for least, factor, name in steps if size >= least)


def _footer(skipped: Mapping[str, int], as_of_ns: int) -> Markup:
    words: Iterator[str] = (f"left out: {count:,} {why}" for why, count in sorted(skipped.items()))
    left_out = "".join(f" · {word}" for word in words)
    return element("footer", f"Drivetrain {__version__} · as of {utc_text(as_of_ns)} · needs no network{left_out}")
