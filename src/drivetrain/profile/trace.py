"""One process's trace as typed columns: what readers make and analyses take."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int32]

NONE = -1
"""In integer columns: the event says nothing of this."""


class Kind(enum.IntEnum):
    """What an event is, whichever of its spellings over the years its category had."""

    OTHER = 0
    CPU_OP = 1  # an operator on the host
    RUNTIME = 2  # a call of the device's runtime or driver
    KERNEL = 3
    MEMCPY = 4
    MEMSET = 5
    ANNOTATION = 6  # a span that the program named, on the host
    DEVICE_ANNOTATION = 7  # the same, where the device worked for it
    PYTHON = 8  # a call of a Python function
    SPAN = 9  # how long the profiler recorded


DEVICE_KINDS = (Kind.KERNEL, Kind.MEMCPY, Kind.MEMSET)
"""What a device does, and is busy with."""


@dataclass(frozen=True, slots=True)
class Device:
    """An accelerator of the process that was traced, as far as the trace describes it."""

    index: int
    name: str
    memory_bytes: int = 0
    num_multiprocessors: int = 0


@dataclass(frozen=True, slots=True)
class Collective:
    """What a communication kernel or its call says of the collective.

    Attributes:
      name: such as `allreduce`; empty where it is not said.
      in_elements, out_elements: numbers of them that one rank gives and gets.
      dtype: of them, as torch names it.
      group: name of the process group.
      group_size: ranks in it.
    """

    name: str
    in_elements: int = 0
    out_elements: int = 0
    dtype: str = ""
    group: str = ""
    group_size: int = 0


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a trace comes from and how much of it could be read.

    Attributes:
      name: the file's name, for people.
      rank: of the process, None where the trace does not say.
      world_size: 0 where it does not say.
      backend: of the process group.
      base_ns: what `Trace.ts_ns` counts from: UTC ns where the trace says so, or a clock of the host's own.
      clock_ns: what times in the file itself count from, added to them in `base_ns`.
      devices: in order of their indices.
      skipped: what could not be read, and how often: `an event without a duration`: 3.
    """

    name: str
    rank: int | None = None
    world_size: int = 0
    backend: str = ""
    base_ns: int = 0
    clock_ns: int = 0
    devices: tuple[Device, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class MemoryColumns:
    """Each change of allocated memory, in order of time; shape (M,) each.

    Attributes:
      ts_ns: when, from `Origin.base_ns`.
      size_bytes: allocated, or negative: freed.
      total_bytes: allocated on that device afterwards, as the allocator says; NONE where the trace does not say.
      device: index of the accelerator, NONE for the host.
      address: of the block; NONE where the trace does not say.
      thread: index into `Trace.threads`.
    """

    ts_ns: Ints
    size_bytes: Ints
    total_bytes: Ints
    device: Indices
    address: Ints
    thread: Indices


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Everything that has a duration, a row each, in order of begin; of equal begins the longer one first.

    All columns have shape (N,). Integers that an event does not have are NONE.

    Attributes:
      ts_ns: begin, from `origin.base_ns`.
      dur_ns: how long, 0 or more.
      name: index into `names`.
      kind: a `Kind`, uint8.
      thread: index into `threads`: on the host (process id, thread id), on a device ("device N", "stream S").
      device: index of the accelerator, of device kinds.
      stream: of device kinds, and of calls that name one.
      correlation: what a launch on the host and its work on a device have in common.
      external: the id of the operator that caused it.
      sequence: what an operator and its part of backward have in common.
      dims: index into `texts`: shapes of an operator's inputs, as JSON.
      types: index into `texts`: their types, as JSON.
      inputs: index into `texts`: values of the inputs that are no tensors, as JSON.
      stack: index into `texts`: where in the program, its frames divided by `;` or ends of lines.
      module: index into `texts`: the module hierarchy.
      python_parent: Python id of the caller, of PYTHON.
      python_id: of PYTHON.
      python_module: of PYTHON that calls an `nn.Module`: which of its class, from 0.
      size_bytes: moved or set, of MEMCPY and MEMSET.
      collective: index into `collectives`.
    """

    origin: Origin
    names: tuple[str, ...]
    threads: tuple[tuple[str, str], ...]
    texts: tuple[str, ...]
    collectives: tuple[Collective, ...]
    ts_ns: Ints
    dur_ns: Ints
    name: Indices
    kind: npt.NDArray[np.uint8]
    thread: Indices
    device: Indices
    stream: Indices
    correlation: Ints
    external: Ints
    sequence: Ints
    dims: Indices
    types: Indices
    inputs: Indices
    stack: Indices
    module: Indices
    python_parent: Indices
    python_id: Indices
    python_module: Indices
    size_bytes: Ints
    collective: Indices
    memory: MemoryColumns

    def __len__(self) -> int:
        return len(self.ts_ns)

    @property
    def end_ns(self) -> Ints:
        """Ends of all events; shape (N,)."""
        return self.ts_ns + self.dur_ns

    def rows(self, *kinds: Kind) -> npt.NDArray[np.intp]:
        """Indices of the events of these kinds, in order."""
        return np.flatnonzero(np.isin(self.kind, [int(kind) for kind in kinds]))
