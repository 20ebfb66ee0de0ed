"""Traces -> figures: pure functions over columns, each with its definition and where that comes from.

Whose definition: `breakdown` is TraceLens's; `hta` and `kineto` give those tools' own tables by their own rules.

  intervals.py   sets of times: union, both, without
  pieces.py      time cut into pieces with one owner each, so that shares sum to the whole
  words.py       what names say: communication, copies, loaders, steps
  names.py       the same of all events at once: waits, backward, modules
  links.py       from device events to the calls that launched them
  nesting.py     which host event encloses which, and which operator launched what
  clock.py       times as tools with floats of microseconds see them
  steps.py       which steps there are, and which step an event belongs to
  breakdown.py   compute, exposed communication and copies, idle: of a process, a device, a step
  host.py        the same from the host's side, for runs on CPUs
  host_steps.py  the steps as the thread that leads them has them
  spans.py       loader, forward, backward, optimizer: of each step
  diff.py        why a step of one trace takes longer than one of another
"""

from drivetrain.profile.analyse.breakdown import Breakdown, breakdown, breakdown_by_device, breakdown_by_step
from drivetrain.profile.analyse.diff import Difference, Part, Spent, difference, spent
from drivetrain.profile.analyse.host_steps import HostSteps, host_steps
from drivetrain.profile.analyse.nesting import Launches, Nesting, launches, nest
from drivetrain.profile.analyse.spans import Phase, StepSpans, host_spans
from drivetrain.profile.analyse.steps import Steps, device_steps, steps

__all__ = [
    "Breakdown",
    "Difference",
    "HostSteps",
    "Launches",
    "Nesting",
    "Part",
    "Phase",
    "Spent",
    "StepSpans",
    "Steps",
    "breakdown",
    "breakdown_by_device",
    "breakdown_by_step",
    "device_steps",
    "difference",
    "host_spans",
    "host_steps",
    "launches",
    "nest",
    "spent",
    "steps",
]
