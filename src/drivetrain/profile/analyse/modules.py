"""Time by `nn.Module`: forward where it was called, backward by the sequence numbers that autograd recorded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivetrain.profile.analyse.links import Rows
from drivetrain.profile.analyse.names import MODULE_PREFIX, is_autograd, is_module
from drivetrain.profile.analyse.nesting import Nesting
from drivetrain.profile.analyse.operators import HostTree, host_tree, self_time
from drivetrain.profile.trace import NONE, Indices, Trace


@dataclass(frozen=True, slots=True)
class Module:
    """One module; its own figures leave out what modules inside it do.

    Attributes:
      path: names from the outermost module to this one, such as `BertModel_0`, `BertEncoder_0`.
      num_calls: of its forward.
      forward_host_ns, backward_host_ns: of operators in it.
      forward_device_us, backward_device_us: device time for those operators.
      subtree_device_us: forward and backward, of it and of all modules inside it.
    """

    path: tuple[str, ...]
    num_calls: int
    forward_host_ns: int
    backward_host_ns: int
    forward_device_us: float
    backward_device_us: float
    subtree_device_us: float


@dataclass(frozen=True, slots=True, eq=False)
class Belonging:
    """Whose the operators are; shape (N,) each.

    Attributes:
      module: row of the module's call that the operator works for, in forward or in backward; NONE for none.
      backward: whether the engine of backward ran it.
    """

    module: Indices
    backward: np.ndarray[tuple[int], np.dtype[np.bool_]]


def belonging(trace: Trace, nesting: Nesting) -> Belonging:
    """The module of each operator, and whether it is part of backward.

    A part of backward belongs to the module in which its operator went forward: of those that have its sequence number
    and ran before it, the last begun, which is the one that autograd recorded. What no number tells belongs to none,
    but for a module that backward itself calls (to compute activations again).
    Source: PyTorch links the two so, "Sequence number" of `record_function`.
    """
    around = nesting.enclosing(is_module(trace))
    engine = is_autograd(trace)
    part = np.where(engine, np.arange(len(trace)), nesting.enclosing(engine))
    backward = part != NONE
    numbered = engine & (trace.sequence != NONE)
    part = np.where(numbered, np.arange(len(trace)), nesting.enclosing(numbered))
    forward = _forward_of(trace, np.flatnonzero(numbered), backward)
    of_part = np.append(around, NONE)[np.append(forward, NONE)[part]]  # NONE, as an index, is the last place
    module = np.where(backward & (around == NONE), of_part, around)
    return Belonging(module.astype(np.int32), backward)


def _forward_of(trace: Trace, parts: Rows, backward: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Indices:
    """Row of the operator that each part of backward belongs to, NONE elsewhere; shape (N,)."""
    ahead = np.flatnonzero(~backward & (trace.sequence != NONE))
    rows = np.concatenate([ahead, parts])
    is_ahead = np.arange(len(rows)) < len(ahead)
    order = np.lexsort((~is_ahead, trace.ts_ns[rows], trace.sequence[rows]))
    rows, is_ahead = rows[order], is_ahead[order]
    before = np.maximum.accumulate(np.where(is_ahead, np.arange(len(rows)), NONE))
    found = ~is_ahead & (before != NONE)
    found[found] = trace.sequence[rows[before[found]]] == trace.sequence[rows[found]]
    forward = np.full(len(trace), NONE, np.int32)
    forward[rows[found]] = rows[before[found]]
    return forward


def modules(trace: Trace, *, tree: HostTree | None = None) -> tuple[Module, ...]:
    """All modules that were called, most device time first, then most time on the host; empty where none is named."""
    tree = tree or host_tree(trace)
    calls = np.flatnonzero(is_module(trace))
    if not len(calls):
        return ()
    paths, path_of = _paths(trace, tree.nesting, calls)
    own = belonging(trace, tree.nesting)
    rows = np.flatnonzero(tree.operator & (own.module != NONE))
    host_ns = self_time(tree.nesting, np.flatnonzero(tree.operator), tree.nesting.enclosing(tree.operator))
    host_by_row = np.zeros(len(trace), np.int64)
    host_by_row[tree.operator] = host_ns
    group = path_of[own.module[rows]] * 2 + own.backward[rows]
    host = np.zeros(len(paths) * 2, np.int64)
    np.add.at(host, group, host_by_row[rows])
    device = np.bincount(group, weights=tree.work.direct_us[rows], minlength=len(paths) * 2)
    num_calls = np.bincount(path_of[calls], minlength=len(paths))
    below = _with_those_inside(paths, device.reshape(-1, 2).sum(axis=1))
    found = [
        Module(
            path,
            count,
            int(host[2 * at]),
            int(host[2 * at + 1]),
            float(device[2 * at]),
            float(device[2 * at + 1]),
            all_of_it,
        )
        for at, (path, count, all_of_it) in enumerate(zip(paths, num_calls.tolist(), below, strict=True))
    ]
    return tuple(sorted(found, key=lambda one: (-one.subtree_device_us, -one.forward_host_ns, one.path)))


def _paths(trace: Trace, nesting: Nesting, calls: Rows) -> tuple[list[tuple[str, ...]], Indices]:
    """Paths of modules, and for each row that calls one the index of its path; shape (N,)."""
    around = nesting.enclosing(is_module(trace))
    numbers: dict[tuple[int, int], int] = {}
    paths: list[tuple[str, ...]] = []
    path_of = np.full(len(trace), NONE, np.int32)
    for row in calls[np.argsort(nesting.depth[calls], kind="stable")].tolist():  # outer ones first
        up = int(path_of[around[row]]) if around[row] != NONE else NONE
        key = up, int(trace.name[row])
        if key not in numbers:
            numbers[key] = len(paths)
            name = trace.names[trace.name[row]].removeprefix(MODULE_PREFIX)
            paths.append((*(paths[up] if up != NONE else ()), name))
        path_of[row] = numbers[key]
    return paths, path_of


def _with_those_inside(paths: list[tuple[str, ...]], own: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[float]:
    total = dict(zip(paths, own.tolist(), strict=True))
    for path in sorted(paths, key=len, reverse=True):
        if path[:-1] in total:
            total[path[:-1]] += total[path]
    return [total[path] for path in paths]
