"""Traces -> figures: pure functions over columns, each with its definition and where that comes from.

Whose definition: `breakdown` is TraceLens's; `hta_breakdown` and `kineto_steps` give those tools' own tables by their
own rules.

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
  hta.py         HolisticTraceAnalysis's tables
  kineto.py      the TensorBoard plugin's table of steps
  idle.py        gaps of devices and streams, and their causes
  kernels.py     what devices ran, by name
  launching.py   queues, delays, short kernels, stretches that are bound by the host
  collectives.py what one rank's collectives moved, and how fast
  skew.py        collectives across ranks: waiting for the last against transfer
  stragglers.py  which rank is slow, and in what, beyond chance
"""

from drivetrain.profile.analyse.breakdown import Breakdown, breakdown, breakdown_by_device, breakdown_by_step
from drivetrain.profile.analyse.collectives import CollectiveLine, Collectives, collective_table, collectives
from drivetrain.profile.analyse.diff import Difference, Part, Spent, difference, spent
from drivetrain.profile.analyse.host_steps import HostSteps, host_steps
from drivetrain.profile.analyse.hta import HtaBreakdown, hta_breakdown
from drivetrain.profile.analyse.idle import Gaps, IdleCause, device_gaps, stream_gaps
from drivetrain.profile.analyse.kernels import KernelLine, kernel_table
from drivetrain.profile.analyse.kineto import StepRoles, kineto_steps
from drivetrain.profile.analyse.launching import LaunchStats, QueueLength, launch_stats, stream_queues
from drivetrain.profile.analyse.links import device_rows, launch_rows
from drivetrain.profile.analyse.nesting import Launches, Nesting, launches, nest
from drivetrain.profile.analyse.skew import Skew, skew
from drivetrain.profile.analyse.spans import Phase, StepSpans, host_spans
from drivetrain.profile.analyse.steps import Steps, device_steps, step_at, step_by_launch, steps
from drivetrain.profile.analyse.stragglers import RankSteps, Straggler, rank_steps, stragglers

__all__ = [
    "Breakdown",
    "CollectiveLine",
    "Collectives",
    "Difference",
    "Gaps",
    "HostSteps",
    "HtaBreakdown",
    "IdleCause",
    "KernelLine",
    "LaunchStats",
    "Launches",
    "Nesting",
    "Part",
    "Phase",
    "QueueLength",
    "RankSteps",
    "Skew",
    "Spent",
    "StepRoles",
    "StepSpans",
    "Steps",
    "Straggler",
    "breakdown",
    "breakdown_by_device",
    "breakdown_by_step",
    "collective_table",
    "collectives",
    "device_gaps",
    "device_rows",
    "device_steps",
    "difference",
    "host_spans",
    "host_steps",
    "hta_breakdown",
    "kernel_table",
    "kineto_steps",
    "launch_rows",
    "launch_stats",
    "launches",
    "nest",
    "rank_steps",
    "skew",
    "spent",
    "step_at",
    "step_by_launch",
    "steps",
    "stragglers",
    "stream_gaps",
    "stream_queues",
]
