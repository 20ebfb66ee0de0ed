"""Traces -> figures: pure functions over columns, each with its definition and where that comes from.

Whose definition: `breakdown` is TraceLens's; `hta` and `kineto` give those tools' own tables by their own rules.

  intervals.py   sets of times: union, both, without
  words.py       what names say: communication, copies, loaders, steps
  links.py       from device events to the calls that launched them
  clock.py       times as tools with floats of microseconds see them
  steps.py       which steps there are, and which step an event belongs to
  breakdown.py   compute, exposed communication and copies, idle: of a process, a device, a step
  host.py        the same from the host's side, for runs on CPUs
"""

from drivetrain.profile.analyse.breakdown import Breakdown, breakdown, breakdown_by_device, breakdown_by_step
from drivetrain.profile.analyse.steps import Steps, device_steps, steps

__all__ = [
    "Breakdown",
    "Steps",
    "breakdown",
    "breakdown_by_device",
    "breakdown_by_step",
    "device_steps",
    "steps",
]
