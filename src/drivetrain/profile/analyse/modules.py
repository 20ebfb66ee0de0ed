"""Time by `nn.Module`: forward where it was called, backward by the sequence numbers that autograd recorded."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from drivetrain.profile.analyse.links import Rows
from drivetrain.profile.analyse.names import MODULE_PREFIX, is_autograd, is_module
from drivetrain.profile.analyse.nesting import Nesting
from drivetrain.profile.analyse.operators import HostTree, host_tree, self_time
from drivetrain.profile.analyse.work import Floats
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
    """All modules that the trace tells of, most device time first, then most time on the host.

    They are told by spans `nn.Module: NAME` around operators, or where there is none, by an operator's own text of its
    place in the hierarchy, which TorchScript writes; such modules have no calls of their own.
    """
    tree = tree or host_tree(trace)
    paths = _Paths()
    of_call = _of_calls(trace, tree.nesting, paths)
    own = belonging(trace, tree.nesting)
    of_text = np.array([*(paths.number(_hierarchy(text)) for text in _told(trace)), NONE])[trace.module]
    path = np.where(own.module == NONE, of_text, of_call[own.module])
    operators = np.flatnonzero(tree.operator)
    host_ns = self_time(tree.nesting, operators, tree.nesting.enclosing(tree.operator))
    told = path[operators] != NONE
    rows = operators[told]
    group = path[rows] * 2 + own.backward[rows]
    host = np.zeros(len(paths) * 2, np.int64)
    np.add.at(host, group, host_ns[told])
    device = np.bincount(group, weights=tree.work.direct_us[rows], minlength=len(paths) * 2)
    num_calls = np.bincount(of_call[of_call != NONE], minlength=len(paths))
    below = _with_those_inside(list(paths), device.reshape(-1, 2).sum(axis=1))
    columns = (num_calls, *host.reshape(-1, 2).T, *device.reshape(-1, 2).T, below)
    found = [Module(path, *figures) for path, *figures in zip(paths, *(each.tolist() for each in columns), strict=True)]
    return tuple(sorted(found, key=lambda one: (-one.subtree_device_us, -one.forward_host_ns, one.path)))


class _Paths(dict[tuple[str, ...], int]):
    """Paths of modules, numbered as they come; those of the modules around them come first."""

    def number(self, path: tuple[str, ...]) -> int:
        """NONE for no path."""
        if not path:
            return NONE
        self.number(path[:-1])
        return self.setdefault(path, len(self))


def _of_calls(trace: Trace, nesting: Nesting, paths: _Paths) -> Indices:
    """For each row that calls a module the number of its path, NONE for others; shape (N,)."""
    calls = np.flatnonzero(is_module(trace))
    around = nesting.enclosing(is_module(trace))
    names: list[tuple[str, ...]] = []  # by number
    number = np.full(len(trace), NONE, np.int32)
    inside: dict[tuple[int, int], int] = {}
    for row in calls[np.argsort(nesting.depth[calls], kind="stable")].tolist():  # outer ones first
        key = int(number[around[row]]) if around[row] != NONE else NONE, int(trace.name[row])
        if key not in inside:
            outer = names[key[0]] if key[0] != NONE else ()
            names.append((*outer, trace.names[key[1]].removeprefix(MODULE_PREFIX)))
            inside[key] = paths.number(names[-1])
        number[row] = inside[key]
    return number


def _told(trace: Trace) -> list[str]:
    """Texts of hierarchies, "" for a text that is none; as many as `Trace.texts`."""
    used = set(np.unique(trace.module).tolist())
    return [text if number in used else "" for number, text in enumerate(trace.texts)]


def _hierarchy(text: str) -> tuple[str, ...]:
    """`TOP(Net)::forward.layer1(Sequential)::forward` -> `Net`, `layer1`."""
    found = re.findall(r"(\w+)\((\w+)\)::", text)
    return tuple(kind if name == "TOP" else name for name, kind in found if name != "SELF")


def _with_those_inside(paths: list[tuple[str, ...]], own: Floats) -> Floats:
    total = dict(zip(paths, own.tolist(), strict=True))
    for path in sorted(paths, key=len, reverse=True):
        if path[:-1] in total:
            total[path[:-1]] += total[path]
    return np.array([total[path] for path in paths], np.float64)
