"""What rules ask of one trace: means over its steps, by the analyses of `profile`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from drivetrain.profile import Kind, Trace
from drivetrain.profile.analyse import Where
from drivetrain.profile.analyse.copies import PageableCopies, pageable_copies
from drivetrain.profile.analyse.links import Rows, launch_rows
from drivetrain.profile.analyse.matrix import matrix_time
from drivetrain.profile.analyse.steps import begun_within
from drivetrain.profile.analyse.syncs import sync_table
from drivetrain.profile.analyse.words import COMMUNICATION, GAP, LOADER, flags
from drivetrain.profile.trace import NONE
from drivetrain.report.profile.facts import Facts, Kernels, Memory, Named
from drivetrain.report.profile.looks import Looks, device_name
from drivetrain.report.profile.measure_tables import Tables
from drivetrain.report.profile.names import by_plain_name
from drivetrain.report.profile.story import Critical, Roofline, StepLine, TableLine
from drivetrain.report.profile.thresholds import SHORT_KERNEL_NS

_DEVICE_PARTS = ("compute", "communication", "copy", "idle")
_IDLE_PARTS = ("loader", "sync", "host", "other")
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Further:
    """What else is known of a trace by now."""

    tables: Tables
    memory: Memory | None
    roofline: Roofline | None
    critical: Critical | None


def facts_of(looks: Looks, label: str, steps: Sequence[StepLine], further: Further) -> Facts:
    """What rules ask."""
    num = max(len(steps), 1)

    def mean(values: Iterable[int]) -> int:
        return round(sum(values) / num)

    windows = looks.steps.begin_ns, looks.steps.end_ns
    device = {part: mean(step.device[part] for step in steps) for part in _DEVICE_PARTS}
    idle = {part: mean(step.idle.get(part, 0) for step in steps) for part in _IDLE_PARTS}
    waits_ns = mean(step.host.get("loader", 0) for step in steps)
    kernels = begun_within(looks.trace, looks.trace.rows(Kind.KERNEL), *windows)
    matrix = matrix_time(looks.trace, *windows)
    copies = pageable_copies(looks.trace, *windows)
    return Facts(
        label=label,
        device=device_name(looks.trace),
        num_steps=len(steps),
        step_ns=mean(step.length_ns for step in steps),
        step_lengths_ns=tuple(step.length_ns for step in steps),
        step_names=tuple(step.name for step in steps),
        step_waits_ns=tuple(step.idle.get("host", 0) + step.idle.get("other", 0) for step in steps),
        compute_ns=device["compute"],
        exposed_comm_ns=device["communication"],
        exposed_copy_ns=device["copy"],
        idle_ns=device["idle"],
        loader_ns=waits_ns if looks.causes is None else idle["loader"],
        sync_ns=idle["sync"],
        host_ns=idle["host"],
        other_ns=idle["other"],
        is_host_traced=bool(len(looks.trace.rows(Kind.CPU_OP, Kind.RUNTIME))),
        loader_wait_ns=waits_ns,
        loader=_loader_name(looks.trace),
        comm_ns=round(1000 * sum(part.total_comm_us for part in looks.by_step) / num),
        pageable=_named(copies) if copies.num else None,
        exposed_pageable_ns=round(copies.exposed_ns / num),
        syncs=tuple(
            Named(line.name, line.num, line.wait_ns)
            for line in sync_table(looks.trace, looks.tree.nesting, *windows)[:_MOST_NAMED]
        ),
        kernels=_kernels(looks.trace, kernels, num),
        matrix_ns=round(matrix.matrix_ns / num),
        plain_matrix_ns=round(matrix.plain_ns / num),
        has_matrix_units=matrix.has_units,
        memory=further.memory,
        mfu=None if further.roofline is None else further.roofline.mfu,
        host_path=_host_path(further.critical),
        collectives=_named_lines(further.tables.collectives),
        top_kernels=_named_lines(by_plain_name([line for line in further.tables.kernels if computes(line.name)])),
        top_operators=_named_lines(further.tables.operators),
    )


def _host_path(critical: Critical | None) -> tuple[Named, ...]:
    parts = critical.parts if critical is not None else ()
    host = [Named(part.name, part.num_pieces, part.dur_ns) for part in parts if part.where == Where.HOST]
    return tuple(one for one in host if one.name != GAP and LOADER.match(one.name) is None)[:_MOST_NAMED]


def computes(kernel: str) -> bool:
    """Whether a device event of this name is neither communication nor a copy or set of memory."""
    return COMMUNICATION.search(kernel) is None and not kernel.startswith(("Memcpy", "Memset"))


def _named_lines(lines: Sequence[TableLine]) -> tuple[Named, ...]:
    return tuple(Named(line.name, line.count, line.self_ns) for line in lines[:_MOST_NAMED])


def _named(copies: PageableCopies) -> Named:
    return Named("pageable copies", copies.num, copies.dur_ns, copies.size_bytes)


def _kernels(trace: Trace, rows: Rows, num_steps: int) -> Kernels:
    if not len(rows):
        return Kernels()
    dur_ns = trace.dur_ns[rows]
    launches = launch_rows(trace, rows)
    known = launches != NONE
    delay_ns = np.maximum(trace.ts_ns[rows[known]] - trace.end_ns[launches[known]], 0)
    return Kernels(
        num_per_step=len(rows) / num_steps,
        median_ns=int(np.median(dur_ns)),
        short_share=float(np.mean(dur_ns < SHORT_KERNEL_NS)),
        queue_median_ns=int(np.median(delay_ns)) if len(delay_ns) else NONE,
    )


def _loader_name(trace: Trace) -> str:
    """What the first call of the loader is named; empty without one."""
    rows = trace.rows(Kind.CPU_OP, Kind.ANNOTATION)
    rows = rows[flags(trace, rows, LOADER.match)]
    return trace.names[trace.name[rows[0]]] if len(rows) else ""
