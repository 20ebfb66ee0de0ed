"""A page of what a simulation gave: the policies beside each other, in figures and in numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from drivetrain import __version__
from drivetrain.compute.simulate.summary import Course, Quantiles, Summary
from drivetrain.figures import Markup, Series, area_chart, element, join, line_chart
from drivetrain.report.html import page, section, table

_MOST_NAMED = 20
_DAY_S = 86400.0

Played = Sequence[tuple[Summary, Course]]


def simulation_page(found: Played) -> str:
    """One HTML document that needs no network, whatever was played. Pure."""
    return page(
        "Simulation · Drivetrain",
        _header(found),
        _parts_section(found),
        _time_section(found),
        _jobs_section(found),
        _classes_section("Waiting, by class", found, lambda one: one.waited),
        _classes_section("Completion, by class", found, lambda one: one.took),
        _leaves_section(found),
        _cost_section(found),
        _refused_section(found),
        element("footer", f"Drivetrain {__version__} · played on a virtual clock · this page needs no network"),
    )


def _header(found: Played) -> Markup:
    first = found[0][0]
    num_jobs = sum(first.num_jobs.values())
    names = " and ".join(one.policy for one, _ in found)
    words = (
        f"{num_jobs:,} jobs on {first.num_devices:,.0f} devices by {names}, "
        f"over {max(one.span_s for one, _ in found) / _DAY_S:.1f} days"
    )
    return join(element("header", element("h1", "Simulation"), element("p", words)), "\n")


def _parts_section(found: Played) -> Markup:
    rows = [
        _row("jobs", found, lambda one: ", ".join(f"{num:,} {what}" for what, num in sorted(one.num_jobs.items()))),
        _row("allocated = SG", found, lambda one: f"{one.allocated_pct:.2f} %"),
        _row("in steps", found, lambda one: f"{one.used_pct:.2f} %"),
        _row("in steps that were kept = SG × RG", found, lambda one: f"{one.kept_pct:.2f} %"),
        _row("fragmented", found, lambda one: f"{one.fragmented_pct:.2f} %"),
        _row("idle", found, lambda one: f"{one.idle_pct:.2f} %"),
        _row("broken", found, lambda one: f"{one.broken_pct:.2f} %"),
        _row("mean wait", found, lambda one: _hours(one.waited["all"].mean_s)),
        _row("mean time to completion", found, lambda one: _hours(one.took["all"].mean_s)),
        _row("preempted", found, lambda one: f"{one.num_preempted:,}"),
        _row("interrupted by owners", found, lambda one: f"{one.num_interrupted:,}"),
        _row("lost: done again", found, lambda one: f"{one.lost_device_s / 3600:,.1f} device h"),
        _row("cost", found, lambda one: f"{one.cost / 1e6:,.2f}"),
    ]
    columns = ["", *(f"#{one.policy}" for one, _ in found)]
    return section("What came of it", table(columns, rows, caption="What came of it"), note="% of the devices' time")


def _time_section(found: Played) -> Markup:
    """All on one axis, as long as the longest took."""
    longest_s = max(course.length_s for _, course in found)
    charts = []
    for at, (one, course) in enumerate(found):
        windows = list(course.devices)
        if course.length_s > 0:
            windows += [{}] * round(len(windows) * (longest_s / course.length_s - 1))
        charts += [
            element("h3", one.policy),
            area_chart(windows, longest_s, key=f"time{at}", title=f"Devices over time by {one.policy}"),
        ]
    return section("Devices over time", *charts, note="by leaf of the fleet's account")


def _jobs_section(found: Played) -> Markup:
    charts = [
        element("div", element("h3", title), _curves(found, key, title, points))
        for key, title, points in (
            ("waited", "Hours from submission to the first start", lambda course: course.waited_s),
            ("took", "Hours from submission to the end", lambda course: course.took_s),
        )
    ]
    return section("Jobs, ordered by how long they took", element("div", *charts, class_="charts"))


def _curves(found: Played, key: str, title: str, points: Callable[[Course], Sequence[tuple[float, float]]]) -> Markup:
    series = [Series(one.policy, [(pct, seconds / 3600) for pct, seconds in points(course)]) for one, course in found]
    return line_chart(series, key=key, title=title, x_label="% of the jobs")


def _classes_section(title: str, found: Played, of: Callable[[Summary], Mapping[str, Quantiles]]) -> Markup:
    rows = []
    for one, _ in found:
        for kind, each in of(one).items():
            rows.append((kind, one.policy, *map(_hours, (each.mean_s, each.p50_s, each.p90_s, each.p99_s))))
    rows.sort(key=lambda row: row[0])
    columns = ["class", "policy", "#mean", "#p50", "#p90", "#p99"]
    return section(title, table(columns, rows, caption=title))


def _leaves_section(found: Played) -> Markup:
    leaves = list(dict.fromkeys(leaf for one, _ in found for leaf in one.device_h))
    rows = [_row(leaf, found, lambda one, leaf=leaf: f"{one.device_h.get(leaf, 0.0):,.1f}") for leaf in leaves]  # type: ignore[misc]
    rows.append(_row("capacity", found, lambda one: f"{sum(one.device_h.values()):,.1f}"))
    columns = ["leaf", *(f"#{one.policy}" for one, _ in found)]
    return section("The account", table(columns, rows, caption="The account", total=True), note="device hours")


def _cost_section(found: Played) -> Markup:
    """Nothing where nothing costs anything."""
    if not any(one.cost for one, _ in found):
        return Markup("")
    columns = ["", *(f"#{one.policy}" for one, _ in found)]
    tables = []
    for what, of in (("pool", "cost_by_pool"), ("team", "cost_by_team")):
        most = sorted(
            {name for one, _ in found for name, money in getattr(one, of).items() if money},
            key=lambda name: (-max(getattr(one, of).get(name, 0) for one, _ in found), name),
        )
        rows = [
            _row(name, found, lambda one, name=name, of=of: f"{getattr(one, of).get(name, 0) / 1e6:,.2f}")  # type: ignore[misc]
            for name in most[:_MOST_NAMED]
        ]
        tables += [element("h3", f"By {what}"), table(columns, rows, caption=f"Cost by {what}")]
    return section("Cost", *tables, note="of what jobs were given")


def _refused_section(found: Played) -> Markup:
    refused = [
        (one.policy, f"{num:,}", why) for one, _ in found for why, num in list(one.refused.items())[:_MOST_NAMED]
    ]
    if not refused:
        return Markup("")
    return section("Refused", table(["policy", "#jobs", "why"], refused, caption="Refused"))


def _row(name: str, found: Played, cell: Callable[[Summary], str]) -> tuple[str, ...]:
    return (name, *(cell(one) for one, _ in found))


def _hours(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds < 3600 else f"{seconds / 3600:,.1f} h"
