"""What a process's collectives moved, and how fast: the part that one rank's trace can tell."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.profile.analyse.clock import times_us
from drivetrain.profile.analyse.host import host_times
from drivetrain.profile.analyse.intervals import covered, union
from drivetrain.profile.analyse.links import Rows, device_rows, launch_rows
from drivetrain.profile.analyse.steps import step_at, step_by_launch, steps
from drivetrain.profile.analyse.words import flags, is_communication, is_copy
from drivetrain.profile.trace import NONE, Collective, Ints, Kind, Trace

KINDS = (
    "all_reduce",
    "all_gather",
    "reduce_scatter",
    "all_to_all",
    "broadcast",
    "reduce",
    "gather",
    "scatter",
    "send_recv",
    "barrier",
    "other",
)

_SPELLINGS = (
    ("allreduce|crossdevicereduce", "all_reduce"),
    ("allgather", "all_gather"),
    ("reducescatter", "reduce_scatter"),
    ("alltoall", "all_to_all"),
    ("broadcast", "broadcast"),
    ("barrier", "barrier"),
    ("reduce", "reduce"),
    ("gather", "gather"),
    ("scatter", "scatter"),
    ("send|recv", "send_recv"),
)
"""Names without underscores, in small letters; the first that is found counts."""

_BUS_SHARE = {"all_reduce": 2.0, "all_gather": 1.0, "reduce_scatter": 1.0, "all_to_all": 1.0}
"""Times (n - 1) / n: what each rank's link carries of a collective's bytes; 1 for the others, whatever n is."""

_ELEMENT_BYTES = {
    1: ("byte", "char", "bool", "unsigned char", "signed char", "uint8", "int8"),
    2: ("half", "bfloat16", "short", "short int", "float16", "int16"),
    4: ("float", "int", "float32", "int32"),
    8: ("double", "long", "long int", "float64", "int64", "complexfloat", "complex<float>"),
    16: ("complexdouble", "complex<double>"),
}
_BYTES_OF = {name: size for size, names in _ELEMENT_BYTES.items() for name in names}
_ON_HOST = re.compile(r"(gloo|nccl|mpi|ucc):")


@dataclass(frozen=True, slots=True, eq=False)
class Collectives:
    """Collectives of one process, in order of launch; shape (C,) each. Small and free of the trace it is from.

    Attributes:
      label: of the process, as the caller names it.
      kind: index into `KINDS`.
      group: index into `groups`.
      groups: names of process groups; empty where the trace does not say.
      group_size: ranks in it, 0 where unknown.
      size_bytes: as nccl-tests count: what a rank gives (of all_gather: gets); NONE where unknown.
      step: number of the step that launched it, NONE for none.
      begin_ns, dur_ns: of its work, on the device if there is one.
      exposed_ns: of that, while no compute ran.
    """

    label: str
    kind: npt.NDArray[np.int64]
    group: npt.NDArray[np.int64]
    groups: tuple[str, ...]
    group_size: Ints
    size_bytes: Ints
    step: Ints
    begin_ns: Ints
    dur_ns: Ints
    exposed_ns: Ints

    def __len__(self) -> int:
        return len(self.kind)


@dataclass(frozen=True, slots=True)
class CollectiveLine:
    """Collectives of one kind in one process group.

    Attributes:
      num_bytes: of those whose size is known, together; None if none is.
      algorithm_bytes_per_s: size over duration, of those.
      bus_bytes_per_s: what that asks of each rank's link; None if the group's size is unknown, too.
    """

    kind: str
    group: str
    group_size: int
    count: int
    dur_ns: int
    exposed_ns: int
    num_bytes: int | None
    algorithm_bytes_per_s: float | None
    bus_bytes_per_s: float | None


def collective_kind(name: str) -> str:
    """Which collective a kernel, operator or `Collective name` is, of `KINDS`."""
    plain = name.lower().replace("_", "")
    return next((kind for spelling, kind in _SPELLINGS if re.search(spelling, plain)), "other")


def bus_share(kind: str, num_ranks: int) -> float:
    """Bus bandwidth over algorithm bandwidth. Source: NVIDIA/nccl-tests, doc/PERFORMANCE.md."""
    return _BUS_SHARE[kind] * (num_ranks - 1) / num_ranks if kind in _BUS_SHARE else 1.0


def collectives(trace: Trace, label: str = "") -> Collectives:
    """Collectives as the device ran them; without any, as gloo's threads did (`gloo:` and the like).

    What they are and how large comes from the kernel's own arguments, else from the `record_param_comms` that its
    launch lies in, else from the annotation (`nccl:all_reduce`) around that with the shapes of its inputs.
    """
    rows = device_rows(trace)
    rows = rows[is_communication(trace, rows)]
    calls = launch_rows(trace, rows)
    if not len(rows):
        rows = calls = _on_host(trace)
    order = np.argsort(np.where(calls == NONE, trace.ts_ns[rows], trace.ts_ns[calls]), kind="stable")
    rows, calls = rows[order], calls[order]
    told, which = _told(trace, rows, calls)
    groups = tuple(dict.fromkeys(each.group for each in told))
    return Collectives(
        label=label,
        kind=np.array([KINDS.index(collective_kind(each.name)) for each in told], np.int64)[which],
        group=np.array([groups.index(each.group) for each in told], np.int64)[which],
        groups=groups,
        group_size=np.array([each.group_size or trace.origin.world_size for each in told], np.int64)[which],
        size_bytes=np.array([_size_bytes(each) for each in told], np.int64)[which],
        step=_step_numbers(trace, rows),
        begin_ns=trace.ts_ns[rows],
        dur_ns=trace.dur_ns[rows],
        exposed_ns=_exposed_ns(trace, rows),
    )


def collective_table(found: Collectives) -> tuple[CollectiveLine, ...]:
    """Collectives by kind and group, the longest together first; bandwidths include waiting for other ranks."""
    keys = found.kind * max(len(found.groups), 1) + found.group
    lines = [_line(found, keys == key) for key in np.unique(keys)]
    return tuple(sorted(lines, key=lambda line: -line.dur_ns))


def _line(found: Collectives, held: npt.NDArray[np.bool_]) -> CollectiveLine:
    kind, size = KINDS[found.kind[held][0]], int(found.group_size[held][0])
    known = held & (found.size_bytes != NONE)
    num_bytes, lasted_ns = int(found.size_bytes[known].sum()), int(found.dur_ns[known].sum())
    speed = num_bytes / lasted_ns * 1e9 if known.any() and lasted_ns else None
    return CollectiveLine(
        kind=kind,
        group=found.groups[found.group[held][0]],
        group_size=size,
        count=int(np.count_nonzero(held)),
        dur_ns=int(found.dur_ns[held].sum()),
        exposed_ns=int(found.exposed_ns[held].sum()),
        num_bytes=num_bytes if known.any() else None,
        algorithm_bytes_per_s=speed,
        bus_bytes_per_s=speed * bus_share(kind, size) if speed is not None and size else None,
    )


def _on_host(trace: Trace) -> Rows:
    rows = trace.rows(Kind.ANNOTATION, Kind.CPU_OP)
    return rows[flags(trace, rows, _ON_HOST.match)]


def _exposed_ns(trace: Trace, rows: Rows) -> Ints:
    begin_us, end_us = times_us(trace, rows)
    busy = device_rows(trace)
    compute = busy[~is_communication(trace, busy) & ~is_copy(trace, busy)]
    times = union(*times_us(trace, compute)) if len(busy) else host_times(trace).compute
    exposed_us = end_us - begin_us - covered(times, begin_us, end_us)
    return np.rint(exposed_us * 1000).astype(np.int64)


def _step_numbers(trace: Trace, rows: Rows) -> Ints:
    found = steps(trace)
    if not found.annotated or not len(rows):
        return np.full(len(rows), NONE, np.int64)
    on_host = trace.stream[rows[0]] == NONE
    step = step_at(found, trace.ts_ns[rows]) if on_host else step_by_launch(trace, found, rows)
    return np.where(step == NONE, NONE, found.number[step])


def _told(trace: Trace, rows: Rows, calls: Rows) -> tuple[list[Collective], npt.NDArray[np.intp]]:
    """What the trace says of collectives, each kind of them once, and which of these each of the rows is."""
    records = np.flatnonzero((trace.collective != NONE) & (trace.kind == Kind.CPU_OP))
    record, mark = _around(trace, calls, records), _around(trace, calls, _on_host(trace))
    noted = trace.collective[rows]
    noted = np.where((noted == NONE) & (record != NONE), trace.collective[record], noted)
    marked = np.where(noted == NONE, mark, NONE)
    shapes = [np.where(marked == NONE, NONE, column[marked]) for column in (trace.dims, trace.types)]
    named = trace.name[np.where(marked == NONE, rows, marked)]
    keys, which = np.unique(np.stack([noted, named, *shapes], axis=1), axis=0, return_inverse=True)
    told = [trace.collectives[own] if own != NONE else _from_shapes(trace, *rest) for own, *rest in keys.tolist()]
    return told, which.reshape(-1)


def _around(trace: Trace, inner: Rows, outer: Rows) -> Rows:
    """The last begun of these events that each call lies in, on its own thread, or NONE; shape as inner."""
    found = np.full(len(inner), NONE, np.intp)
    for thread in np.unique(trace.thread[outer]).tolist():  # those few that communicate
        mine = np.flatnonzero((inner != NONE) & (trace.thread[inner] == thread))
        spans = outer[trace.thread[outer] == thread]
        last = np.searchsorted(trace.ts_ns[spans], trace.ts_ns[inner[mine]], side="right") - 1
        inside = (last >= 0) & (trace.end_ns[inner[mine]] <= trace.end_ns[spans[last]])
        found[mine[inside]] = spans[last[inside]]
    return found


def _from_shapes(trace: Trace, name: int, dims: int, types: int) -> Collective:
    """A collective by the annotation that marks it: its shapes are those of what a rank gives."""
    try:
        shapes = json.loads(trace.texts[dims]) if dims != NONE else []
        dtypes = json.loads(trace.texts[types]) if types != NONE else []
    except ValueError:
        shapes, dtypes = [], []
    dtype = next((each for each in dtypes if isinstance(each, str) and each), "") if isinstance(dtypes, list) else ""
    return Collective(trace.names[name], _num_elements(shapes), dtype=dtype, group_size=trace.origin.world_size)


def _num_elements(shapes: Any) -> int:
    """Of all tensors in nested lists of shapes."""
    if not isinstance(shapes, list) or not shapes:
        return 0
    if all(isinstance(size, int) for size in shapes):
        return prod(shapes)
    return sum(_num_elements(shape) for shape in shapes)


def _size_bytes(told: Collective) -> int:
    each = _BYTES_OF.get(told.dtype.lower().removeprefix("c10::"), 1 if "float8" in told.dtype.lower() else 0)
    kind = collective_kind(told.name)
    given, got = told.in_elements, told.out_elements
    if kind == "all_gather":
        elements = max(got, given * told.group_size)
    elif kind in ("reduce_scatter", "all_to_all", "send_recv"):
        elements = max(given, got)
    else:
        elements = given or got
    return elements * each or NONE
