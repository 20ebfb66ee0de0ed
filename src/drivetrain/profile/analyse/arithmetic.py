"""How much arithmetic the steps of a trace did, how fast, and how near to what the device can do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from drivetrain.profile.analyse.clock import times_us
from drivetrain.profile.analyse.flops import Call, Cost, Shape, cost, outer_shapes
from drivetrain.profile.analyse.host_steps import host_steps
from drivetrain.profile.analyse.links import Rows
from drivetrain.profile.analyse.names import is_named
from drivetrain.profile.analyse.operators import HostTree, host_tree
from drivetrain.profile.analyse.peaks import Peak
from drivetrain.profile.analyse.words import Flags, is_communication, is_copy
from drivetrain.profile.analyse.work import Floats, union_by_owner
from drivetrain.profile.trace import NONE, Kind, Trace

_DTYPES = {
    "double": ("float64", 8),
    "float": ("float32", 4),
    "c10::bfloat16": ("bfloat16", 2),
    "c10::half": ("float16", 2),
    "c10::float8_e4m3fn": ("float8", 1),
    "c10::float8_e5m2": ("float8", 1),
    "c10::float8_e4m3fnuz": ("float8", 1),
    "c10::float8_e5m2fnuz": ("float8", 1),
    "signed char": ("int8", 1),
    "unsigned char": ("int8", 1),
}
"""What Kineto calls types of numbers -> (what `Peak` calls them, bytes of one)."""


_TF32 = r"tf32|tensorop_s1688gemm|tensorop_s1688\w*(fprop|dgrad|wgrad)"
"""Kernels of cuBLAS, cuDNN and CUTLASS; the latter's `s1688` without a type behind it takes TF32."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Calls of one operator with the same shapes, in steps.

    Attributes:
      dims: shapes of the inputs as JSON.
      dtype: of the first input, one of `peaks.DTYPES`, and `tf32` where kernels of that were launched; empty where it
        is none of them.
      flops, num_bytes: of all calls; bytes are 0 where the type is not known.
      time_us: that they took: on the device, or on the host where the trace has no device work.
    """

    name: str
    dims: str
    dtype: str
    num_calls: int
    flops: int
    num_bytes: int
    time_us: float

    @property
    def flops_per_s(self) -> float | None:
        """Attained; None where no time was measured."""
        return self.flops / self.time_us * 1e6 if self.time_us else None

    @property
    def flops_per_byte(self) -> float | None:
        """Arithmetic intensity, at the least traffic that the shapes allow; None where bytes are not known."""
        return self.flops / self.num_bytes if self.num_bytes else None


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """What the operators of some steps had to compute.

    Attributes:
      counted: by operator and shapes, most time first.
      num_steps: that were counted.
      step_us: mean duration of one, on the host.
      unknown_us: time of operators whose arithmetic is not known: 0 FLOPs would be a lie. Copies and collectives have
        none, and are not in it.
      known_us: time of those counted.
    """

    counted: tuple[Counted, ...]
    num_steps: int
    step_us: float
    unknown_us: float
    known_us: float

    @property
    def flops_per_step(self) -> float | None:
        """Of those counted; None where nothing could be."""
        return sum(one.flops for one in self.counted) / self.num_steps if self.counted and self.num_steps else None

    @property
    def dtype(self) -> str:
        """The type of numbers that most of it is done in; empty for none."""
        by_type: dict[str, int] = {}
        for one in self.counted:
            by_type[one.dtype] = by_type.get(one.dtype, 0) + one.flops
        return max(by_type, key=lambda dtype: by_type[dtype], default="")

    def mfu(self, peak_flops_per_s: float) -> float | None:
        """Model FLOPs utilisation: arithmetic of a step over its duration, as a share of the peak (dense, one device).

        Source: PaLM, arXiv:2204.02311, appendix B. Where `unknown_us` is much of the time it is a lower bound.
        """
        flops = self.flops_per_step
        return None if flops is None or not self.step_us else flops / (self.step_us * 1e-6) / peak_flops_per_s


@dataclass(frozen=True, slots=True)
class Roof:
    """Where an operator is under the roofline.

    Attributes:
      bound: `memory` left of the ridge, else `compute`.
      attainable_flops_per_s: the roof over it: the lower of peak arithmetic and bandwidth times intensity.
      share: attained of that.
    """

    bound: str
    attainable_flops_per_s: float
    share: float


def roof(one: Counted, peak: Peak) -> Roof | None:
    """Position under the roofline; None where time, bytes or the peak are not known.

    Source: Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009.
    """
    rate, intensity, top = one.flops_per_s, one.flops_per_byte, peak.flops_per_s(one.dtype)
    if rate is None or intensity is None or top is None:
        return None
    by_memory = intensity * peak.memory_bytes_per_s
    attainable = min(top, by_memory)
    if not attainable:  # nothing to compute: an empty input
        return None
    return Roof("memory" if by_memory < top else "compute", attainable, rate / attainable)


def arithmetic(trace: Trace, *, tree: HostTree | None = None) -> Arithmetic:
    """Count what operators that began in steps had to do.

    Of operators inside each other the outermost known one counts: `aten::linear` and not its `aten::addmm`.
    """
    tree = tree or host_tree(trace)
    steps = host_steps(trace)
    rows = np.flatnonzero(tree.operator)
    rows = rows[steps.pieces().at(trace.ts_ns[rows]) != NONE]
    kinds, group = _kinds(trace, rows)
    costs = _costs(kinds)
    known = np.zeros(len(trace), np.bool_)
    known[rows] = np.array([cost is not None for cost in costs], np.bool_)[group] if len(rows) else False
    inside = tree.nesting.enclosing(known) != NONE
    time_us, own_us = _times(trace, tree)
    counted = known[rows] & ~inside[rows]
    in_tf32 = np.bincount(group, weights=_in_tf32(trace, tree, known)[rows], minlength=len(kinds)) > 0
    num = np.bincount(group[counted], minlength=len(kinds))
    taken_us = np.bincount(group[counted], weights=time_us[rows[counted]], minlength=len(kinds))
    found = [
        _counted(kind, cost, count, spent, tf32)
        for kind, cost, count, spent, tf32 in zip(
            kinds, costs, num.tolist(), taken_us.tolist(), in_tf32.tolist(), strict=True
        )
        if cost is not None and count
    ]
    unknown = rows[~known[rows] & ~inside[rows]]
    return Arithmetic(
        tuple(sorted(found, key=lambda one: (-one.time_us, one.name, one.dims))),
        len(steps),
        float(steps.dur_ns.mean()) / 1000 if len(steps) else 0.0,
        float(own_us[unknown].sum()),
        float(taken_us.sum()),
    )


@dataclass(frozen=True, slots=True)
class _Kind:
    """Calls that have everything in common."""

    call: Call
    dims: str
    types: tuple[str, ...]


def _kinds(trace: Trace, rows: Rows) -> tuple[list[_Kind], npt.NDArray[np.intp]]:
    """Different calls, and which one each of these rows is."""
    group = trace.name[rows].astype(np.int64)
    first = np.empty(0, np.intp)
    for column in (trace.dims, trace.types, trace.inputs):
        _, first, group = np.unique(
            group * (len(trace.texts) + 1) + column[rows] + 1, return_index=True, return_inverse=True
        )
    return [_kind(trace, row) for row in rows[first].tolist()], group


def _kind(trace: Trace, row: int) -> _Kind:
    dims, types, values = (
        trace.texts[column[row]] if column[row] != NONE else "" for column in (trace.dims, trace.types, trace.inputs)
    )
    shapes = tuple(_shape(one) for one in _list(dims))
    call = Call(trace.names[trace.name[row]], shapes, tuple(map(str, _list(values))))
    return _Kind(call, dims, tuple(map(str, _list(types))))


def _list(text: str) -> list[Any]:
    try:
        found = msgspec.json.decode(text.encode())
    except msgspec.DecodeError:
        return []
    return found if isinstance(found, list) else []


def _shape(found: object) -> Shape | None:
    """The shape of a tensor; None for a scalar, for what is no tensor and for lists of tensors."""
    if isinstance(found, list) and found and all(isinstance(size, int) and size >= 0 for size in found):
        return tuple(found)
    return None


def _costs(kinds: list[_Kind]) -> list[Cost | None]:
    outers = outer_shapes(kind.call for kind in kinds)
    found = []
    for kind in kinds:
        shapes = kind.call.shapes[:2]
        outer = outers.get((shapes[0], shapes[1])) if len(shapes) == 2 and shapes[0] and shapes[1] else None
        found.append(cost(replace(kind.call, outer=outer)))
    return found


def _times(trace: Trace, tree: HostTree) -> tuple[Floats, Floats]:
    """Microseconds of each event with all below it, and of its own arithmetic: the device's if that worked.

    Copies and collectives are no arithmetic that somebody could not count.
    """
    events, owner = tree.launched.events, tree.work.owner
    if not len(events):
        return tree.nesting.held_ns / 1000, tree.nesting.self_ns / 1000
    computes = (trace.kind[events] == Kind.KERNEL) & ~is_communication(trace, events) & ~is_copy(trace, events)
    own = computes & (owner != NONE)
    return tree.work.subtree_us, union_by_owner(owner[own], *times_us(trace, events[own]), len(trace))


def _in_tf32(trace: Trace, tree: HostTree, counted: Flags) -> Flags:
    """Which operators had the device compute in TF32, as names of its kernels tell; shape (N,)."""
    found = np.zeros(len(trace), np.bool_)
    launched = tree.launched
    fast = is_named(trace, _TF32)[launched.events] & (launched.operator != NONE)
    rows = launched.operator[fast]
    around = np.where(counted[rows], rows, tree.nesting.enclosing(counted)[rows])
    while len(rows):  # the outermost counted one is the one that is told
        around = around[around != NONE]
        found[around] = True
        rows = around = tree.nesting.enclosing(counted)[around]
    return found


def _counted(kind: _Kind, cost: Cost, num_calls: int, time_us: float, in_tf32: bool) -> Counted:
    dtype, size_bytes = _DTYPES.get(kind.types[0].lower() if kind.types else "", ("", 0))
    dtype = "tf32" if in_tf32 and dtype == "float32" else dtype
    return Counted(
        kind.call.name,
        kind.dims,
        dtype,
        num_calls,
        cost.flops * num_calls,
        cost.elements * size_bytes * num_calls,
        time_us,
    )
