"""The table of steps that PyTorch's TensorBoard plugin showed for Kineto's traces: each moment goes to one role.

Roles take time in their order, on all threads and streams together: while a kernel runs it is the kernel's, whatever
the host does; a copy counts while no kernel runs, and so on to operators; the rest of a step is other. So they sum to
the step, and differ from `breakdown_by_step` in that sets of memory are no compute, kernels hide communication though
it is found by the operator that launched it, and the host's time fills in where the device has none.

Source: torch-tb-profiler 0.4, `StepParser` and `OverallParser`. Unlike it, annotations of the device are no operators
and no steps (it predates them), and calls of the driver count as those of the runtime.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from drivetrain.profile.analyse.clock import at_us, times_us
from drivetrain.profile.analyse.intervals import both, covered, union, without
from drivetrain.profile.analyse.links import Rows, is_among
from drivetrain.profile.analyse.steps import Steps, device_steps, steps
from drivetrain.profile.analyse.words import flags, is_step
from drivetrain.profile.trace import Kind, Trace

_COLLECTIVE = re.compile(r"(nccl|gloo):(broadcast|reduce|all_reduce|all_gather|reduce_scatter)$")
_LOADER = re.compile(r"enumerate\(DataLoader\)#.*\.__next__$|enumerate\(DataPipe\)#")


@dataclass(frozen=True, slots=True)
class StepRoles:
    """One step of the table, in microseconds; the roles sum to the total."""

    number: int
    kernel_us: float
    memcpy_us: float
    memset_us: float
    communication_us: float
    runtime_us: float
    data_loader_us: float
    cpu_exec_us: float
    other_us: float
    total_us: float


def kineto_steps(trace: Trace) -> tuple[StepRoles, ...]:
    """Each step's time by role; a trace without steps is one, from its first operator's begin to its last one's end."""
    found = steps(trace)
    found, _ = device_steps(trace, found if found.annotated else _all_operators(trace))
    if not len(found):
        return ()
    windows = at_us(trace, found.begin_ns), at_us(trace, found.end_ns)
    left = union(*windows)
    columns = []
    for rows in _roles(trace):
        role = union(*times_us(trace, rows))
        columns.append(covered(both(left, role), *windows))
        left = without(left, role)
    columns += [covered(left, *windows), windows[1] - windows[0]]
    return tuple(
        StepRoles(number, *values)
        for number, values in zip(found.number.tolist(), np.stack(columns, axis=1).tolist(), strict=True)
    )


def _all_operators(trace: Trace) -> Steps:
    rows = trace.rows(Kind.CPU_OP)
    window = [(trace.ts_ns[rows].min(), trace.end_ns[rows].max())] if len(rows) else []
    begin_ns, end_ns = np.array(window, np.int64).reshape(-1, 2).T
    return Steps(np.zeros(len(window), np.int64), begin_ns, end_ns, annotated=False)


def _roles(trace: Trace) -> tuple[Rows, ...]:
    """Events of each role, in order of its right to time."""
    host = trace.rows(Kind.CPU_OP, Kind.ANNOTATION)
    host = host[~is_step(trace, host)]
    collective, loader = flags(trace, host, _COLLECTIVE.match), flags(trace, host, _LOADER.match)
    kernels = trace.rows(Kind.KERNEL)
    is_comm = is_among(trace.external[kernels], trace.external[host[collective]])
    return (
        kernels[~is_comm],
        trace.rows(Kind.MEMCPY),
        trace.rows(Kind.MEMSET),
        np.concatenate((kernels[is_comm], host[collective])),
        trace.rows(Kind.RUNTIME),
        host[loader],
        host[~collective & ~loader],
    )
