"""Joins what the rooms below know about a run into one page that a person reads and one object that a program reads.

Life of a page: `gather` reads a run's folder into a `Story`; `render` turns the story into HTML, section by section;
`write_report` puts it beside the run. Only gathering reads the disk.

  story.py      the run's folder as values
  kept.py       pictures and results that the training script kept
  sections.py   the page's parts
  profiles.py   what was profiled, for the page; profile/ is what the traces say
  profile_findings.py  what they said, kept for the page
  recoveries.py the recoveries, for page, terminal and programs
  curves.py     the part with the metrics
  words.py      what each leaf means
  html.py       the shell, tables, the content-security policy
  assets.py     the page's style and script
  page.py       all of it together
  summary.py    the same for programs
  listing.py    all runs in short
  simulation.py the page of a simulation
"""

from drivetrain.report.listing import RunLine, list_lines
from drivetrain.report.page import render, run_page, write_report
from drivetrain.report.profiles import write_profile_page
from drivetrain.report.recoveries import recoveries_text
from drivetrain.report.simulation import simulation_page
from drivetrain.report.story import Story, gather
from drivetrain.report.summary import summary
from drivetrain.report.words import PROMISE

__all__ = [
    "PROMISE",
    "RunLine",
    "Story",
    "gather",
    "list_lines",
    "recoveries_text",
    "render",
    "run_page",
    "simulation_page",
    "summary",
    "write_profile_page",
    "write_report",
]
