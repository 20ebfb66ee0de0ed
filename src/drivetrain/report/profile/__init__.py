"""What traces say, for people and programs: findings, a page, JSON, and a file for Perfetto.

Life of a profile: `gather_profile` reads files, lets `profile`'s analyses measure each and finds the losses -> a
`ProfileStory` of plain values -> text, JSON or a page. Only gathering reads the disk.

  gather.py      files -> a story; several at once
  measure.py     a trace -> what is said of it, from looks.py: measure_facts.py for the rules, measure_limits.py,
                 measure_path.py, measure_tables.py
  across.py      ranks of one run together
  story.py       the values
  facts.py       what rules ask of one process
  rules.py       the rules, and their words
  findings.py    rules -> at most five findings
  thresholds.py  from when a loss is told, with reasons
  names.py       kernels as people call them
  text.py        for the terminal
  summary.py     for programs
  diff.py        two traces' steps, for both
  annotate.py    for Perfetto
  page.py        for a browser: page_figures.py has the pictures, page_tables.py the tables
"""

from drivetrain.report.profile.annotate import write_perfetto
from drivetrain.report.profile.diff import diff_json, diff_text
from drivetrain.report.profile.findings import find
from drivetrain.report.profile.gather import distinct_names, gather_profile
from drivetrain.report.profile.page import profile_page
from drivetrain.report.profile.story import Process, ProfileStory
from drivetrain.report.profile.summary import profile_json
from drivetrain.report.profile.text import profile_text, unread_text
from drivetrain.report.profile_findings import ProfileFinding

__all__ = [
    "Process",
    "ProfileFinding",
    "ProfileStory",
    "diff_json",
    "diff_text",
    "distinct_names",
    "find",
    "gather_profile",
    "profile_json",
    "profile_page",
    "profile_text",
    "unread_text",
    "write_perfetto",
]
