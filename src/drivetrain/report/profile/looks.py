"""What several analyses of one trace begin with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.profile import DEVICE_KINDS, NONE, Trace
from drivetrain.profile.analyse import (
    Breakdown,
    HostTree,
    Steps,
    breakdown,
    breakdown_by_step,
    device_rows,
    host_steps,
    host_tree,
    launch_rows,
)
from drivetrain.profile.analyse.idle_by_host import IdleCauses, idle_causes
from drivetrain.profile.analyse.pieces import Pieces
from drivetrain.profile.analyse.spans import phase_pieces


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """What several analyses of one trace begin with, made once.

    Attributes:
      trace: of one process.
      tree: of its host events, and what they launched.
      phases: of the leading thread.
      whole: all of its time.
      steps, by_step: with a device, until that has done what was launched in them; without marks one, which is `whole`.
      causes: of idle time in each step; None without a device.
    """

    trace: Trace
    tree: HostTree
    phases: Pieces
    whole: Breakdown
    steps: Steps
    by_step: tuple[Breakdown, ...]
    causes: IdleCauses | None


def look_at(trace: Trace) -> Looks:
    """What all that follows needs."""
    tree = host_tree(trace)
    phases = phase_pieces(trace, tree.nesting, host_steps(trace))
    whole = breakdown(trace)
    steps, by_step = breakdown_by_step(trace)
    if whole.source == "device" and not steps.annotated:
        steps, by_step = _device_window(trace), (whole,)
    causes = idle_causes(trace, phases, steps.begin_ns, steps.end_ns) if whole.source == "device" else None
    return Looks(trace, tree, phases, whole, steps, by_step, causes)


def _device_window(trace: Trace) -> Steps:
    """From the first device event to the last, as `breakdown` has it: before and after, profilers start and stop."""
    rows = device_rows(trace)
    launched = launch_rows(trace, rows) != NONE
    rows = rows[launched] if launched.any() else rows
    begin_ns, end_ns = trace.ts_ns[rows].min(keepdims=True), trace.end_ns[rows].max(keepdims=True)
    return Steps(np.zeros(1, np.int64), begin_ns, end_ns, annotated=False)


def device_name(trace: Trace) -> str:
    """The accelerator that worked, `accelerator` if its name is not told; empty without one."""
    worked = np.unique(trace.device[trace.rows(*DEVICE_KINDS)])
    if not len(worked):
        return ""
    names = {device.name for device in trace.origin.devices if device.index in worked and device.name}
    return ", ".join(sorted(names)) or "accelerator"
