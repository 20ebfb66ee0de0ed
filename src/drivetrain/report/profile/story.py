"""Everything a page says about traces, as values: gathered once, then only written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from drivetrain.figures import Column
from drivetrain.report.profile.facts import Facts, Memory
from drivetrain.report.profile_findings import ProfileFinding


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step; each of the mappings has parts as `figures` paints them, ns.

    Attributes:
      name: its number.
      length_ns: from begin to end; with a device, until that has done what was launched in it.
      device: compute, communication, copy, idle: disjoint, they sum to the length; of the host where no device worked.
      host: loader, forward, backward, optimizer, other of the leading thread; they sum to the host's step.
      idle: loader, sync, host, other: why the device was idle; empty without one.
    """

    name: str
    length_ns: int
    device: Mapping[str, int]
    host: Mapping[str, int]
    idle: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class TableLine:
    """A kernel, an operator or a collective in a table.

    Attributes:
      name: as traces have it.
      count: how often.
      total_ns: with what it calls.
      self_ns: without that; equal to the total for kernels.
      device_ns: its work on the device; None where that is not told apart.
      exposed_ns: of communication, while nothing is computed; None for others.
      mean_ns: of one.
      note: what else is known: tensor cores, bandwidth, module.
    """

    name: str
    count: int
    total_ns: int
    self_ns: int
    device_ns: int | None = None
    exposed_ns: int | None = None
    mean_ns: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class RooflinePoint:
    """Calls of one operator with the same shapes.

    Attributes:
      name: with the shapes.
      dtype: of its numbers.
      flops_per_byte: arithmetic intensity at the least traffic; 0 where unknown.
      flops_per_s: reached.
      of_peak: that over the peak of its type, 0 to 1; None where that is unknown.
      share: of all time in operators whose arithmetic is known, 0 to 1.
    """

    name: str
    dtype: str
    flops_per_byte: float
    flops_per_s: float
    of_peak: float | None
    share: float


@dataclass(frozen=True, slots=True)
class Roofline:
    """FLOPs against what the device can do.

    Attributes:
      mfu: FLOPs of a step over its length, as a share of the peak; None where that is unknown.
      flops_per_step: of operators whose arithmetic is known.
      peak_flops_per_s: of the device at `dtype`; 0 where unknown.
      bytes_per_s: of its memory; 0 where unknown.
      dtype: that most of the arithmetic is done in.
      source: where the peak is from; empty for none.
      unknown_share: of operators' time, whose arithmetic is not known; with much of it the MFU is a lower bound.
      points: operators, by time.
    """

    mfu: float | None
    flops_per_step: float
    peak_flops_per_s: float
    bytes_per_s: float
    dtype: str
    source: str
    unknown_share: float
    points: tuple[RooflinePoint, ...]


@dataclass(frozen=True, slots=True)
class PathLine:
    """A share of the critical path: `where` is host, device, launch, between or waking."""

    where: str
    name: str
    dur_ns: int
    num_pieces: int


@dataclass(frozen=True, slots=True)
class Critical:
    """What the steps took as long as they did for.

    Attributes:
      total_ns: of the path.
      parts: longest first.
      free: (name, mean step if all events of that name took no time, ns), largest gain first.
      step_ns: mean step as traced.
    """

    total_ns: int
    parts: tuple[PathLine, ...]
    step_ns: float
    free: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Process:
    """One trace.

    Attributes:
      label: `rank 3`, or the file's name.
      path: of the file, as it was given.
      file: its name.
      rank: None where the trace does not say.
      world_size: 0 where it does not say.
      device: name of the accelerator; empty without one.
      num_events: read.
      counts: by what they are.
      skipped: what could not be read, and how often.
      breakdown: `compute_us exposed_comm_us exposed_memcpy_us busy_us idle_us total_us` and its further figures.
      figures: the same by other tools' definitions, and whatever else has a name; plain values for JSON.
      facts: what rules ask.
      steps: in order.
      kernels, operators, modules, collectives: by time.
      memory_line: (ns, bytes allocated) over time, few points.
      memory: at its peak.
      roofline: None where no FLOPs are known.
      critical: the critical path; None where there are no steps.
      bands: for the picture: name -> columns.
      length_ns: that `bands` are of.
      notes: what a reader must know to read the figures.
    """

    label: str
    path: str
    file: str
    rank: int | None
    world_size: int
    device: str
    num_events: int
    counts: Mapping[str, int]
    skipped: Mapping[str, int]
    breakdown: Mapping[str, object]
    figures: Mapping[str, object]
    facts: Facts
    steps: Sequence[StepLine]
    kernels: Sequence[TableLine] = ()
    operators: Sequence[TableLine] = ()
    modules: Sequence[TableLine] = ()
    collectives: Sequence[TableLine] = ()
    memory_line: Sequence[tuple[float, float]] = ()
    memory: Memory | None = None
    roofline: Roofline | None = None
    critical: Critical | None = None
    bands: Mapping[str, Sequence[Column]] = field(default_factory=dict)
    length_ns: int = 0
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ProfileStory:
    """Traces that are looked at together.

    Attributes:
      processes: in order of rank, or as they were given.
      findings: at most five.
      across: figures of all ranks together; plain values for JSON.
      notes: such as ranks that have other steps.
      unread: files of which nothing could be read -> why.
    """

    processes: Sequence[Process]
    findings: Sequence[ProfileFinding]
    across: Mapping[str, object] = field(default_factory=dict)
    notes: Sequence[str] = ()
    unread: Mapping[str, str] = field(default_factory=dict)
