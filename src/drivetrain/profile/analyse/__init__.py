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
  work.py        device time of operators: their own work, and all below them
  operators.py   tables of operators
  modules.py     time by nn.Module, forward and backward
  flops.py       arithmetic and traffic of an operator, from its shapes
  peaks.py       what devices can do at most
  arithmetic.py  FLOPs of steps, utilisation (MFU), the roofline
  points.py      where threads meet devices and each other
  depend.py      what had to happen before what
  critical.py    the critical path
  replay.py      what if something were faster
  blocks.py      blocks of memory, from allocation to freeing
  memory.py      memory over time, and who holds it at the peak
  hta.py         HolisticTraceAnalysis's tables
  kineto.py      the TensorBoard plugin's table of steps
  idle.py        gaps of devices and streams, and their causes; idle_by_host.py what the host did meanwhile
  syncs.py       what made the host wait for a device
  copies.py      copies from and to pageable memory, which hold up both sides
  kernels.py     what devices ran, by name; matrix.py those that multiply matrices
  launching.py   queues, delays, short kernels, stretches that are bound by the host
  collectives.py what one rank's collectives moved, and how fast
  skew.py        collectives across ranks: waiting for the last against transfer
  overview.py    a whole trace in a few hundred columns, for pictures
  stragglers.py  which rank is slow, and in what, beyond chance
"""

from drivetrain.profile.analyse.arithmetic import Arithmetic, Counted, Roof, arithmetic, roof
from drivetrain.profile.analyse.breakdown import Breakdown, breakdown, breakdown_by_device, breakdown_by_step
from drivetrain.profile.analyse.collectives import CollectiveLine, Collectives, collective_table, collectives
from drivetrain.profile.analyse.critical import CriticalPath, PathPart, Where, critical_path
from drivetrain.profile.analyse.depend import Dependencies, dependencies
from drivetrain.profile.analyse.diff import Difference, Part, Spent, difference, spent
from drivetrain.profile.analyse.host_steps import HostSteps, host_steps
from drivetrain.profile.analyse.hta import HtaBreakdown, hta_breakdown
from drivetrain.profile.analyse.idle import Gaps, IdleCause, device_gaps, stream_gaps
from drivetrain.profile.analyse.kernels import KernelLine, kernel_table
from drivetrain.profile.analyse.kineto import StepRoles, kineto_steps
from drivetrain.profile.analyse.launching import LaunchStats, QueueLength, launch_stats, stream_queues
from drivetrain.profile.analyse.links import device_rows, launch_rows
from drivetrain.profile.analyse.memory import Category, DeviceMemory, MemoryOwner, memory
from drivetrain.profile.analyse.modules import Module, modules
from drivetrain.profile.analyse.nesting import Launches, Nesting, launches, nest
from drivetrain.profile.analyse.operators import HostTree, Launcher, Operator, host_tree, launchers, operators
from drivetrain.profile.analyse.peaks import Peak, peak_of
from drivetrain.profile.analyse.replay import WhatIf, gains, step_if
from drivetrain.profile.analyse.skew import Skew, skew
from drivetrain.profile.analyse.spans import Phase, StepSpans, host_spans
from drivetrain.profile.analyse.steps import Steps, device_steps, step_at, step_by_launch, steps
from drivetrain.profile.analyse.stragglers import RankSteps, Straggler, rank_steps, stragglers

__all__ = [
    "Arithmetic",
    "Breakdown",
    "Category",
    "CollectiveLine",
    "Collectives",
    "Counted",
    "CriticalPath",
    "Dependencies",
    "DeviceMemory",
    "Difference",
    "Gaps",
    "HostSteps",
    "HostTree",
    "HtaBreakdown",
    "IdleCause",
    "KernelLine",
    "LaunchStats",
    "Launcher",
    "Launches",
    "MemoryOwner",
    "Module",
    "Nesting",
    "Operator",
    "Part",
    "PathPart",
    "Peak",
    "Phase",
    "QueueLength",
    "RankSteps",
    "Roof",
    "Skew",
    "Spent",
    "StepRoles",
    "StepSpans",
    "Steps",
    "Straggler",
    "WhatIf",
    "Where",
    "arithmetic",
    "breakdown",
    "breakdown_by_device",
    "breakdown_by_step",
    "collective_table",
    "collectives",
    "critical_path",
    "dependencies",
    "device_gaps",
    "device_rows",
    "device_steps",
    "difference",
    "gains",
    "host_spans",
    "host_steps",
    "host_tree",
    "hta_breakdown",
    "kernel_table",
    "kineto_steps",
    "launch_rows",
    "launch_stats",
    "launchers",
    "launches",
    "memory",
    "modules",
    "nest",
    "operators",
    "peak_of",
    "rank_steps",
    "roof",
    "skew",
    "spent",
    "step_at",
    "step_by_launch",
    "step_if",
    "steps",
    "stragglers",
    "stream_gaps",
    "stream_queues",
]
