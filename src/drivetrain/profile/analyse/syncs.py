"""What made the host wait for a device."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.profile.analyse.names import is_wait
from drivetrain.profile.analyse.nesting import Nesting
from drivetrain.profile.analyse.spans import is_operator
from drivetrain.profile.analyse.steps import begun_within
from drivetrain.profile.trace import NONE, Ints, Trace


@dataclass(frozen=True, slots=True)
class SyncLine:
    """Waits of one cause.

    Attributes:
      name: of the outermost operator around the call, such as `aten::item`; the call's own without one.
      num: how often.
      wait_ns: how long the host was inside the calls.
    """

    name: str
    num: int
    wait_ns: int


def sync_table(trace: Trace, nesting: Nesting, begin_ns: Ints, end_ns: Ints) -> tuple[SyncLine, ...]:
    """Calls that begin within windows and return only when a device has done something, by cause, longest first.

    What was asked for is the outermost operator: `aten::item` calls `aten::_local_scalar_dense`, which waits.
    """
    calls = begun_within(trace, np.flatnonzero(is_wait(trace)), begin_ns, end_ns)
    above = nesting.enclosing(is_operator(trace))
    cause, up = calls, above[calls]
    while (up != NONE).any():
        cause = np.where(up == NONE, cause, up)
        up = above[cause]
    names, group = np.unique(trace.name[cause], return_inverse=True)
    waits = np.bincount(group, weights=trace.dur_ns[calls], minlength=len(names))
    nums = np.bincount(group, minlength=len(names))
    lines = [
        SyncLine(trace.names[name], int(num), int(wait))
        for name, num, wait in zip(names.tolist(), nums, waits, strict=True)
    ]
    return tuple(sorted(lines, key=lambda line: (-line.wait_ns, line.name)))
