"""A profile as one HTML file: findings on top, then a picture of each figure with the same in numbers beside it."""

from __future__ import annotations

from drivetrain import __version__
from drivetrain.core.clock import utc_text
from drivetrain.core.units import count_text
from drivetrain.figures import Markup, element, join
from drivetrain.report.html import page, section
from drivetrain.report.profile.page_figures import (
    arithmetic_section,
    breakdown_section,
    memory_section,
    steps_section,
    timeline_section,
)
from drivetrain.report.profile.page_tables import read_section, tables_sections, words_section
from drivetrain.report.profile.story import ProfileStory
from drivetrain.report.sections import finding_item


def profile_page(story: ProfileStory, title: str, as_of_ns: int) -> str:
    """One document, below 1 MB whatever the traces' size. Pure.

    Args:
      story: what to show.
      title: of whose profile.
      as_of_ns: when it was gathered, UTC.
    """
    first = story.processes[0] if story.processes else None
    parts = [
        _header(story, title, as_of_ns),
        findings_section(story),
        breakdown_section(story.processes),
        steps_section(story.processes),
        timeline_section(story.processes),
        *(tables_sections(first, len(story.processes)) if first is not None else ()),
        memory_section(story.processes),
        arithmetic_section(story.processes),
        read_section(story),
        words_section(),
    ]
    footer = element("footer", f"Drivetrain {__version__} · as of {utc_text(as_of_ns)} · this page needs no network")
    return page(f"{title} · profile · Drivetrain", *parts, footer)


def findings_section(story: ProfileStory, title: str = "Findings") -> Markup:
    """At most five, in plain words."""
    if not story.findings:
        return section(title, element("p", "Nothing is large enough to act on."))
    items = [
        finding_item(
            f"{100 * one.share:.{0 if one.share >= 0.0995 else 1}f} %", one.text, one.evidence, one.change, one.gain
        )
        for one in story.findings
    ]
    return section(title, element("ul", *items, class_="findings"), note="largest loss first; shares of a mean step")


def _header(story: ProfileStory, title: str, as_of_ns: int) -> Markup:
    switch = element("button", "Theme", class_="theme", type="button", hidden="", aria_label="switch light and dark")
    num_steps = max((len(process.steps) for process in story.processes), default=0)
    num_events = sum(process.num_events for process in story.processes)
    devices = sorted({process.device for process in story.processes if process.device})
    under = " · ".join(
        [
            count_text(len(story.processes), "trace"),
            count_text(num_steps, "step"),
            count_text(num_events, "event"),
            ", ".join(devices) or "no device events",
            f"as of {utc_text(as_of_ns)}",
        ]
    )
    return join(element("div", element("h1", title), switch, class_="top"), element("p", under, class_="under"))
