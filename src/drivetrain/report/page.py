"""A run's page: gathered from its folder, joined from its parts, written beside them."""

from __future__ import annotations

from pathlib import Path

from drivetrain import __version__
from drivetrain.core.clock import utc_text
from drivetrain.figures import Markup, element
from drivetrain.report.curves import curves_section
from drivetrain.report.html import page
from drivetrain.report.profiles import profiles_section
from drivetrain.report.recoveries import recoveries_section
from drivetrain.report.sections import (
    account_section,
    checkpoints_section,
    environment_section,
    findings_section,
    header,
    pictures_section,
    results_section,
    timeline_section,
)
from drivetrain.report.story import Story, gather
from drivetrain.store import RunFolder, publish_bytes

_SECTIONS = (
    header,
    findings_section,
    account_section,
    timeline_section,
    profiles_section,
    recoveries_section,
    results_section,
    curves_section,
    pictures_section,
    checkpoints_section,
    environment_section,
)


def render(story: Story) -> str:
    """The page of a story as one HTML document, below 2 MB whatever the run did. Pure."""
    return page(f"{story.manifest.name} · Drivetrain", *(part(story) for part in _SECTIONS), _footer(story))


def run_page(run: RunFolder) -> str:
    """The page of a run as it stands now; see `gather` for what it raises."""
    return render(gather(run))


def write_report(run: RunFolder, story: Story | None = None) -> Path:
    """Write `report.html` into the run's folder and return its path.

    Args:
      run: whose.
      story: what `gather` gave, when the caller has it already.
    Raises: StoreError: the folder is no run, or the disk would not take the page.
    """
    publish_bytes(run.report_file, render(story or gather(run)).encode())
    return run.report_file


def _footer(story: Story) -> Markup:
    words = f"Drivetrain {__version__} · as of {utc_text(story.as_of_ns)} · this page needs no network"
    if story.num_unreadable:
        words += f" · {story.num_unreadable:,} lines of the run's journals could not be read"
    return element("footer", words)
