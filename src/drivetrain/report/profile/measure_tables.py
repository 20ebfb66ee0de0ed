"""The tables of one trace: kernels, operators, modules, collectives, by the analyses of `profile`. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from drivetrain.core.units import bytes_text
from drivetrain.profile import Kind, Trace
from drivetrain.profile.analyse import (
    CollectiveLine,
    Collectives,
    HostTree,
    KernelLine,
    collective_table,
    kernel_table,
    modules,
    operators,
)
from drivetrain.profile.analyse.matrix import MATRIX, UNITS
from drivetrain.report.profile.story import TableLine

_MOST_LINES = 200
"""Of one table: what comes after is less than a reader or a program asks for."""


@dataclass(frozen=True, slots=True)
class Tables:
    """Those of one trace, each by time."""

    kernels: tuple[TableLine, ...]
    operators: tuple[TableLine, ...]
    modules: tuple[TableLine, ...]
    collectives: tuple[TableLine, ...]


def tables_of(trace: Trace, tree: HostTree, found: Collectives) -> Tables:
    """All of them."""
    return Tables(kernel_lines(trace), operator_lines(trace, tree), module_lines(trace, tree), collective_lines(found))


def operator_lines(trace: Trace, tree: HostTree) -> tuple[TableLine, ...]:
    """Operators by name, most device time of their own first, then the host's; `device_ns` is of what they launched."""
    has_device = bool(len(tree.launched.events))
    return tuple(
        TableLine(
            name=one.name,
            count=one.num_calls,
            total_ns=one.host_total_ns,
            self_ns=one.host_self_ns,
            device_ns=round(1000 * one.device_direct_us) if has_device else None,
        )
        for one in operators(trace, tree=tree)[:_MOST_LINES]
    )


def module_lines(trace: Trace, tree: HostTree) -> tuple[TableLine, ...]:
    """Modules by the time of their own operators, forward and backward; `device_ns` is of all inside them, too."""
    has_device = bool(len(tree.launched.events))
    lines = [
        TableLine(
            name=".".join(one.path),
            count=one.num_calls,
            total_ns=one.forward_host_ns + one.backward_host_ns,
            self_ns=one.forward_host_ns + one.backward_host_ns,
            device_ns=round(1000 * one.subtree_device_us) if has_device else None,
        )
        for one in modules(trace, tree=tree)
    ]
    return tuple(sorted(lines, key=lambda line: (-(line.device_ns or 0), -line.self_ns, line.name))[:_MOST_LINES])


def kernel_lines(trace: Trace) -> tuple[TableLine, ...]:
    """Device events by name, the longest together first."""
    return tuple(_kernel_line(line) for line in kernel_table(trace)[:_MOST_LINES])


def _kernel_line(line: KernelLine) -> TableLine:
    on_units = line.kind == Kind.KERNEL and MATRIX.search(line.name) and UNITS.search(line.name)
    return TableLine(
        name=line.name,
        count=line.count,
        total_ns=line.sum_ns,
        self_ns=line.sum_ns,
        mean_ns=round(line.mean_ns),
        note="tensor cores" if on_units else "",
    )


def collective_lines(found: Collectives) -> tuple[TableLine, ...]:
    """Collectives by kind and process group, the longest together first."""
    lines = sorted(collective_table(found), key=lambda line: -line.dur_ns)
    return tuple(_collective_line(line) for line in lines[:_MOST_LINES])


def _collective_line(line: CollectiveLine) -> TableLine:
    told = [f"{line.group_size} ranks"] if line.group_size else []
    if line.num_bytes is not None:
        told.append(f"{bytes_text(line.num_bytes)} in all")
    if line.bus_bytes_per_s is not None:
        told.append(f"bus {bytes_text(round(line.bus_bytes_per_s))}/s")
    return TableLine(
        name=f"{line.kind} {line.group}".strip(),
        count=line.count,
        total_ns=line.dur_ns,
        self_ns=line.dur_ns,
        exposed_ns=line.exposed_ns,
        mean_ns=round(line.dur_ns / max(line.count, 1)),
        note=", ".join(told),
    )
