"""Tables of operators: how often, how long on the host, and how long the device worked for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.profile.analyse.clock import times_us
from drivetrain.profile.analyse.links import Rows
from drivetrain.profile.analyse.nesting import Launches, Nesting, launches, nest
from drivetrain.profile.analyse.spans import is_operator
from drivetrain.profile.analyse.words import Flags, flags
from drivetrain.profile.analyse.work import Work, union_by_owner, work
from drivetrain.profile.trace import NONE, Indices, Ints, Trace


@dataclass(frozen=True, slots=True)
class Operator:
    """One row of a table of operators.

    Attributes:
      name: such as `aten::addmm`.
      dims: shapes of the inputs as JSON, empty where they are not asked for or not in the trace.
      num_calls: how often.
      host_total_ns: from begin to end, calls inside one of the same name not counted again.
      host_self_ns: of that, outside other operators; calls of the runtime are its own time.
      device_direct_us, device_subtree_us: device time for what it launched itself, and for all below it, again without
        calls inside one of the same name.
    """

    name: str
    dims: str
    num_calls: int
    host_total_ns: int
    host_self_ns: int
    device_direct_us: float
    device_subtree_us: float


@dataclass(frozen=True, slots=True)
class Launcher:
    """Operators of one name that launched work themselves.

    Attributes:
      num_calls: those that did.
      direct_us, subtree_us: device time of their own work, and of all below them, summed over these calls.
    """

    name: str
    num_calls: int
    direct_us: float
    subtree_us: float


@dataclass(frozen=True, slots=True, eq=False)
class HostTree:
    """What tables of operators are made from; made once for several."""

    nesting: Nesting
    operator: Flags
    launched: Launches
    work: Work


def host_tree(trace: Trace) -> HostTree:
    """Nesting, operators and their device time."""
    nesting = nest(trace)
    operator = is_operator(trace)
    launched = launches(trace, nesting)
    return HostTree(nesting, operator, launched, work(trace, nesting, launched, operator))


def operators(trace: Trace, *, by_dims: bool = False, tree: HostTree | None = None) -> tuple[Operator, ...]:
    """All operators by name, and by shapes of their inputs if asked; most device time of their own first, then host's.

    Source: total and self time as PyTorch's TensorBoard plugin 0.4 has them ("Operator View"); total here counts the
    time of one that calls itself once.
    """
    tree = tree or host_tree(trace)
    rows = np.flatnonzero(tree.operator)
    above = tree.nesting.enclosing(tree.operator)
    kind = trace.name[rows].astype(np.int64)
    if by_dims:
        kind = kind * (len(trace.texts) + 1) + trace.dims[rows] + 1
    kinds, first, group = np.unique(kind, return_index=True, return_inverse=True)
    outer = ~_inside_its_like(trace.name, rows, above)
    self_ns = self_time(tree.nesting, rows, above)
    held_ns = np.where(outer, tree.nesting.held_ns[rows], 0)
    subtree_us = np.where(outer, tree.work.subtree_us[rows], 0.0)
    columns = (
        _sums(group, np.ones(len(rows), np.int64), len(kinds)),
        _sums(group, held_ns, len(kinds)),
        _sums(group, self_ns, len(kinds)),
        _sums(group, tree.work.direct_us[rows], len(kinds)),
        _sums(group, subtree_us, len(kinds)),
    )
    found = [
        Operator(
            trace.names[trace.name[row]],
            trace.texts[trace.dims[row]] if by_dims and trace.dims[row] != NONE else "",
            *figures,
        )
        for row, *figures in zip(rows[first].tolist(), *(column.tolist() for column in columns), strict=True)
    ]
    return tuple(sorted(found, key=lambda one: (-one.device_direct_us, -one.host_self_ns, one.name, one.dims)))


def launchers(trace: Trace, *, tree: HostTree | None = None) -> tuple[Launcher, ...]:
    """Operators by what they launched themselves, most device time first; kernels of collectives are left out.

    Work whose launch is not in the trace is nobody's here. A launch outside all operators stands for itself.
    Source: TraceLens, `get_kernel_launchers`, whose `ops_summary.csv` has these figures.
    """
    tree = tree or host_tree(trace)
    events, owner = tree.launched.events, tree.work.owner
    own = (tree.launched.call != NONE) & (owner != NONE) & ~flags(trace, events, _has_nccl)
    direct_us = union_by_owner(owner[own], *times_us(trace, events[own]), len(trace))
    rows = np.unique(owner[own])
    names, group = np.unique(trace.name[rows], return_inverse=True)
    columns = (
        _sums(group, np.ones(len(rows), np.int64), len(names)),
        _sums(group, direct_us[rows], len(names)),
        _sums(group, tree.work.subtree_us[rows], len(names)),
    )
    found = [
        Launcher(trace.names[name], *figures)
        for name, *figures in zip(names.tolist(), *(column.tolist() for column in columns), strict=True)
    ]
    return tuple(sorted(found, key=lambda one: (-one.direct_us, one.name)))


def _has_nccl(name: str) -> bool:
    return "nccl" in name.lower()


def self_time(nesting: Nesting, rows: Rows, above: Indices) -> Ints:
    """Time of these operators that no other operator inside them covers; shape of rows.

    Args:
      above: row of the operator around each event; shape (N,).
    """
    self_ns = nesting.held_ns.copy()
    inner = rows[above[rows] != NONE]
    np.subtract.at(self_ns, above[inner], nesting.held_ns[inner])
    kept: Ints = self_ns[rows]
    return kept


def _inside_its_like(name: Indices, rows: Rows, above: Indices) -> Flags:
    """Which of these operators have one of the same name above them; shape of rows."""
    inside = np.zeros(len(rows), np.bool_)
    place, up = np.arange(len(rows)), above[rows]
    while len(place):
        place, up = place[up != NONE], up[up != NONE]
        inside[place[name[up] == name[rows[place]]]] = True
        up = above[up]
    return inside


def _sums(group: npt.NDArray[np.intp], values: npt.NDArray[Any], num: int) -> npt.NDArray[Any]:
    total = np.zeros(num, values.dtype)
    np.add.at(total, group, values)
    return total
